# The program and the shared objects that it needs, and which packages these are of; no shell, no package manager.
# "make image" builds it without a docker engine and tries it.  For another architecture, which needs no emulator:
#
#   docker build --platform linux/arm64 .

FROM --platform=$BUILDPLATFORM debian:bookworm-slim AS build
ARG TARGETARCH
WORKDIR /src
# The packages first, so that a change of the sources does not install them again.
COPY vendor/packages.txt vendor/
COPY docker/package/in-container docker/package/
RUN docker/package/in-container packages "$TARGETARCH"
COPY . .
# Gives the program port 80 without root, also where ip_unprivileged_port_start is 1024; BuildKit and buildah keep that in COPY.
# The kernel starts the program only if the container may have this capability: after "cap_drop: ALL" add NET_BIND_SERVICE.  With
# no-new-privileges it is void: set LISTEN_ADDRESS to a port from 1024.
RUN docker/package/in-container program "$TARGETARCH"

# What "make release" makes a package and the SBOM of: docker build --target facts --output facts .
FROM scratch AS facts
COPY --from=build /facts /

FROM scratch
COPY --from=build /image /
# "make image" says them; the version is that of include/base/version.h.
ARG VERSION REVISION
LABEL org.opencontainers.image.title=drain_exporter \
      org.opencontainers.image.description="Prometheus metrics from log drains of Heroku and Cloud Foundry" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
USER 65534:65534
# IPv4, since a kernel may lack IPv6; "[::]:80" serves both.
ENV LISTEN_ADDRESS=0.0.0.0:80
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/drain_exporter", "--health-check"]
ENTRYPOINT ["/drain_exporter"]
