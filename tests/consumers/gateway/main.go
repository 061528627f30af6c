// A stand-in for New-API up to v0.8.2.0, one-api, one-hub, done-hub and Veloera. It loads the encoders of tiktoken-go
// v0.1.7 for the same models in the same order, and exits with the same message if that fails.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pkoukk/tiktoken-go"
)

const sentence = "Please 统计这句话的词元 with len(tokens) > 0;"

var models = []string{"gpt-3.5-turbo", "gpt-4", "gpt-4o"}

func log(stream *os.File, level string, message any) {
	_, _ = fmt.Fprintf(stream, "[%s] %s | %v \n", level, time.Now().Format("2006/01/02 - 15:04:05"), message)
}

func fatal(message ...any) {
	log(os.Stderr, "FATAL", message)
	os.Exit(1)
}

func main() {
	flag.String("log-dir", "", "accepted like in the gateways, but not used")
	port := flag.String("port", "", "port to listen on; default $PORT, else 3000")
	check := flag.Bool("check", false, "exit once the encoders are loaded and the counts are printed")
	flag.Parse()
	if *port == "" {
		*port = os.Getenv("PORT")
	}
	if *port == "" {
		*port = "3000"
	}

	log(os.Stdout, "SYS", "initializing token encoders")
	counts := map[string]int{}
	for _, model := range models {
		encoder, err := tiktoken.EncodingForModel(model)
		if err != nil {
			fatal(fmt.Sprintf("failed to get %s token encoder: %s", model, err))
		}
		counts[model] = len(encoder.Encode(sentence, nil, nil))
	}
	log(os.Stdout, "SYS", "token encoders initialized")
	line, err := json.Marshal(map[string]any{"sentence": sentence, "counts": counts})
	if err != nil {
		fatal(err)
	}
	fmt.Println(string(line))
	if *check {
		return
	}

	// PID 1 of a container ignores these signals unless it handles them.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	http.HandleFunc("GET /api/status", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		_, _ = answer.Write([]byte(`{"success":true,"message":"","data":{}}`))
	})
	log(os.Stdout, "SYS", "server started on http://localhost:"+*port)
	fatal(http.ListenAndServe(":"+*port, nil))
}
