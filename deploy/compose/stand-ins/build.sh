#!/bin/sh
# Makes the images of stores that can neither be found here nor be pulled.
set -eu
cd "$(dirname "$0")"

need() { # need IMAGE FOLDER WORDS
    docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1" 2>/dev/null || {
        echo "$2: $1 cannot be pulled; a stand-in is built, $3" >&2
        docker build --quiet --tag "$1" "$2"
    }
}

need "${MONGO_IMAGE:-mongo:8.0}" mongo "which keeps no users and is not MongoDB"
need "${CASSANDRA_IMAGE:-cassandra:5.0}" cassandra "of Cassandra's own jars"
