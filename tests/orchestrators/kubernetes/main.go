// Checks manifests with Kubernetes' own code.
//
//	program restricted VERSION <MANIFESTS   prints what the restricted Pod Security Standard forbids in each pod
//	program build DIRECTORY                 prints the result of a kustomization, as `kubectl kustomize` does
//
// Exit code 1: something is forbidden or wrong. An unknown field is wrong.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 2 {
		switch arguments[0] {
		case "restricted":
			return restricted(arguments[1], os.Stdin)
		case "build":
			return build(arguments[1])
		}
	}
	return errors.New("usage: program restricted VERSION | build DIRECTORY")
}

// restricted checks every pod and pod template. Input without a pod is an error, because then nothing was checked.
func restricted(version string, manifests io.Reader) error {
	parsed, err := api.ParseVersion(version)
	if err != nil {
		return err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: parsed}
	pods, forbidden := 0, 0
	documents := utilyaml.NewYAMLReader(bufio.NewReader(manifests))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, template, err := podOf(document)
		if err != nil {
			return err
		}
		if template == nil {
			continue
		}
		pods++
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec))
		if result.Allowed {
			fmt.Printf("%s: allowed\n", name)
		} else {
			forbidden++
			fmt.Printf("%s: forbidden: %s\n", name, result.ForbiddenDetail())
		}
	}
	if pods == 0 || forbidden > 0 {
		return fmt.Errorf("pods: %d, forbidden: %d", pods, forbidden)
	}
	return nil
}

// podOf returns the pod template of a manifest, or nil if its kind makes no pods.
func podOf(document []byte) (string, *corev1.PodTemplateSpec, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return "", nil, err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Pod":
		var pod corev1.Pod
		err := yaml.UnmarshalStrict(document, &pod)
		return "Pod " + pod.Name, &corev1.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}, err
	case "apps/v1 Deployment":
		var deployment appsv1.Deployment
		err := yaml.UnmarshalStrict(document, &deployment)
		return "Deployment " + deployment.Name, &deployment.Spec.Template, err
	case "batch/v1 Job":
		var job batchv1.Job
		err := yaml.UnmarshalStrict(document, &job)
		return "Job " + job.Name, &job.Spec.Template, err
	case "v1 Service", "v1 PersistentVolumeClaim":
		return "", nil, nil
	}
	return "", nil, fmt.Errorf("no check for %s %s", kind.APIVersion, kind.Kind)
}

func build(directory string) error {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return err
	}
	text, err := resources.AsYaml()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}
