# Two images from one file: `services`, which runs any service of the mesh and allocctl, and `edge`,
# nginx with the web console, the routes and the API reference. `make mesh-image` builds both.
#
# The base images can be replaced (a mirror, a digest): --build-arg PYTHON=… --build-arg NGINX=…
ARG PYTHON=python:3.11-slim
ARG NGINX=nginx:1.27-alpine

# ---- dependencies and our own packages, in a folder that is copied as a whole
FROM ${PYTHON} AS python
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/allocator && python -m venv /opt/tools
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN /opt/allocator/bin/pip install --require-hashes -r requirements/runtime.txt \
    && /opt/tools/bin/pip install --require-hashes -r requirements/build.txt \
    && find /opt/allocator -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +
COPY pyproject.toml README.md LICENSE ./
COPY protos/gen protos/gen
COPY chassis chassis
COPY user_svc user_svc
COPY machines_svc machines_svc
COPY allocation_svc allocation_svc
COPY docker_svc docker_svc
COPY interact_svc interact_svc
COPY feed_svc feed_svc
COPY broker broker
COPY notifier notifier
COPY allocctl allocctl
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheel . \
    && /opt/allocator/bin/pip install --no-deps /build/wheel/*.whl \
    && /opt/allocator/bin/pip uninstall --quiet --yes pip setuptools

# ---- the services
FROM ${PYTHON} AS services
# The number, not the name, is what volumes and secrets are readable for.
RUN groupadd --gid 10001 allocator \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin allocator \
    && cd / && mkdir certs && cd certs \
    && install -d -o 10001 -g 10001 -m 0700 authority user_svc machines_svc allocation_svc docker_svc \
        interact_svc feed_svc broker notifier edge public /data /tls /state /mailbox /admin /backups
COPY --from=python /opt/allocator /opt/allocator
# As a file, it is asked without everything that a package brings along.
RUN ln -s lib/python3.11/site-packages/chassis/probe.py /opt/allocator/probe.py
ENV PATH=/opt/allocator/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALLOCATOR_DATA_DIR=/data \
    ALLOCATOR_HTTP_ADDRESS=0.0.0.0:8080 \
    ALLOCATOR_GRPC_ADDRESS=0.0.0.0:50051
WORKDIR /data
USER 10001:10001
EXPOSE 8080 50051
HEALTHCHECK --interval=10s --timeout=30s --retries=2 --start-period=60s \
    CMD ["python", "-IS", "/opt/allocator/probe.py", "--within", "25"]
ENTRYPOINT ["python", "-m"]
CMD ["allocctl", "--help"]

# ---- the web console
FROM ${PYTHON} AS web
# npm brings its own list of certificates; the system's is what the rest of a build trusts.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv .venv
COPY requirements/web.txt requirements/
COPY tools/web.sh tools/
COPY web web
RUN tools/web.sh build

# ---- what the edge serves of the contracts: the OpenAPI document, its page, the pages of reasons
FROM services AS site
USER 0
COPY tools/edge.py /build/tools/edge.py
RUN python /build/tools/edge.py --site /build/site

# ---- the edge
FROM ${NGINX} AS edge
USER 0
COPY nginx /opt/edge
COPY --from=web /build/web/dist /opt/edge/web
COPY --from=site /build/site /opt/edge/site
# Volumes take over whose these folders are.
RUN mkdir -p /run/edge /tls /public /own && chown 10001:10001 /run/edge /tls /public \
    && chmod 0755 /opt/edge/*.sh
WORKDIR /
USER 10001:10001
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["curl", "--silent", "--fail", "--max-time", "2", "--output", "/dev/null", "http://127.0.0.1:8080/livez"]
ENTRYPOINT ["/opt/edge/entrypoint.sh"]
CMD []
