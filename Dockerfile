# syntax=docker/dockerfile:1

# Node runs the TypeScript of this repository as it is, so nothing is compiled here. The tag names one version; to hold
# the image to its very bytes, give its digest (`docker buildx imagetools inspect node:24.21.0-trixie-slim`):
#   docker build --build-arg NODE_IMAGE=node:24.21.0-trixie-slim@sha256:… .
ARG NODE_IMAGE=node:24.21.0-trixie-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY deploy/production-lock.mjs deploy/production-lock.mjs
# No package of ours needs an install script, so none may run.
RUN node deploy/production-lock.mjs \
    && npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tachograph" \
      org.opencontainers.image.description="A flight recorder for AI agents: every step once, with what it cost and what it touched." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# What runs needs node alone: package managers would only bring findings to a scanner.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-v*

# Owned by root and not writable for who runs it: a process that is taken over cannot change what starts next.
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY schemas schemas
COPY services services
COPY dashboards dashboards
COPY config config
COPY deploy/healthcheck.mjs deploy/healthcheck.mjs

# glibc keeps what large buffers leave behind, one arena a thread; it reads these at the start of a process.
# The embedded log and engine are not for containers; where a command asks for a data folder, it is the one that may be
# mounted. Probes are asked at loopback: no token is needed for that.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    TACHO_DATA_DIR=/tmp/tacho \
    TACHO_HEALTH_PORT=7071

# As a number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 4317 4318 7070 7071
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "deploy/healthcheck.mjs"]
# Node is the first process: services/main.ts answers SIGTERM with the drain. It starts no children, but --init is welcome.
ENTRYPOINT ["node", "services/main.ts"]
CMD ["--help"]
