#!/bin/sh
# Makes the images of stores that can neither be found here nor be pulled.
set -eu
cd "$(dirname "$0")"
image=${MONGO_IMAGE:-mongo:8.0}
docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" 2>/dev/null || {
    echo "mongo: $image cannot be pulled; a stand-in is built, which keeps no users and is not MongoDB" >&2
    docker build --quiet --tag "$image" mongo
}
