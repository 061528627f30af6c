# cp, sync, sha256sum -c, mv, sync. It syncs only its own files, because `sync` alone waits for all writes of the machine.
set -eu
cd /cache/tiktoken
for file in /vocabularies/*; do
  cp "$file" ".${file##*/}.part"
done
sync .*.part
sha256sum -cs /sums
for file in /vocabularies/*; do
  mv ".${file##*/}.part" "${file##*/}"
done
sync .
