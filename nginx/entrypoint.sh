#!/bin/sh
# Runs the edge: writes what can be set into a folder of its own, starts nginx, and tells it of replicas
# that come and go until it is told to end. Plain POSIX sh, as images of nginx have no more.
#
# What can be set, by environment (times in seconds):
#   EDGE_NAMES               host names that are ours, joined by commas; by default any
#   EDGE_HTTPS_PORT  8443    where it listens
#   EDGE_HTTP_PORT   8080    where it redirects to https, and answers /livez, and /readyz once it has
#                            known a replica of each service
#   EDGE_PUBLIC_PORT 443     the port of https as clients see it, for redirects
#   EDGE_CERTIFICATE /public/cert.pem, EDGE_CERTIFICATE_KEY /public/key.pem
#                            shown to clients
#   EDGE_MESH_TLS    /tls    ca.pem, cert.pem and key.pem, shown to services
#   EDGE_TRUSTED_PROXIES     addresses or networks of proxies in front, joined by commas, whose
#                            X-Forwarded-For is believed; by default none
#   EDGE_REQUESTS_PER_SECOND 200, EDGE_REQUESTS_AT_ONCE 1000, EDGE_CONNECTIONS 1000
#                            what one address may ask for: a class sits behind one
#   EDGE_BODY_BYTES  1048576 the largest body
#   EDGE_HEAD_SECONDS 15     how long a client may take to send the head of a request
#   EDGE_IDLE_SECONDS 15     how long it may pause while it sends or takes a body
#   EDGE_CALL_SECONDS 65     how long a service may be silent
#   EDGE_STREAM_SECONDS 3600 the same for streams and WebSockets
#   EDGE_SHUTDOWN_SECONDS 3600
#                            how long connections go on after nginx was told of other replicas
#   EDGE_HSTS_SECONDS 0      Strict-Transport-Security; 0 for none
#   EDGE_ACCESS_LOG  yes     a line of JSON for each request, or no
#   EDGE_WORKERS     auto    processes
#   EDGE_WORKER_CONNECTIONS 8192
#   EDGE_PEERS               where services are, where not at SERVICE:8080 and SERVICE:50051:
#                            "user_svc=10.0.0.7:8080:50051,10.0.0.8:8080:50051 broker=…"
#   EDGE_RESOLVE_SECONDS 2   how often it is looked where the replicas are
#   EDGE_HOME        /opt/edge, EDGE_RUN /run/edge: what is ours, and where to write
set -eu

: "${EDGE_HOME:=/opt/edge}" "${EDGE_RUN:=/run/edge}" "${EDGE_MESH_TLS:=/tls}"
export EDGE_HOME EDGE_RUN EDGE_MESH_TLS

"$EDGE_HOME/settings.sh"

nginx=
# nginx ends on QUIT once what it serves has ended.
# shellcheck disable=SC2317
end() {
    trap '' TERM INT QUIT
    [ -z "$nginx" ] || kill -QUIT "$nginx" 2>/dev/null || true
    wait "$nginx"
    exit 0
}
trap end TERM INT QUIT

# The first look, so that nginx begins with what is there.
"$EDGE_HOME/upstreams.sh" || true
nginx -p "$EDGE_RUN/" -c "$EDGE_RUN/nginx.conf" -e stderr -g 'daemon off;' &
nginx=$!

while kill -0 "$nginx" 2>/dev/null; do
    # A signal ends this wait, not a sleep.
    sleep "${EDGE_RESOLVE_SECONDS:-2}" &
    wait $! || true
    if "$EDGE_HOME/upstreams.sh"; then
        kill -HUP "$nginx" 2>/dev/null || true
        # Where one comes others do: they are one change, for each ends idle connections of clients.
        sleep "${EDGE_RESOLVE_SECONDS:-2}" &
        wait $! || true
    fi
    [ ! -e "$EDGE_RUN/known" ] || mv "$EDGE_RUN/known" "$EDGE_RUN/complete"
done
wait "$nginx"
