# The program and the shared objects that it needs, nothing else: no shell, no package manager.
# "make image" builds it without a docker engine and tries it.

FROM debian:bookworm-slim AS build
WORKDIR /src
# The packages first, so that a change of the sources does not install them again.
COPY vendor/packages.txt vendor/
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      $(sed -n 's/^\([^# ][^ ]*\).*/\1/p' vendor/packages.txt) libcap2-bin \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY . .
RUN make -j"$(nproc)" && strip build/drain_exporter && docker/collect build/drain_exporter /image
# Port 80 without root, also where ip_unprivileged_port_start is 1024.  Last, because cp and strip lose it; BuildKit and
# buildah keep it in COPY.  The kernel starts the program only if the container may have this capability: after
# "cap_drop: ALL" add NET_BIND_SERVICE.  With no-new-privileges it is void: set LISTEN_ADDRESS to a port from 1024.
RUN setcap cap_net_bind_service=+ep /image/drain_exporter

FROM scratch
COPY --from=build /image /
USER 65534:65534
# IPv4, since a kernel may lack IPv6; "[::]:80" serves both.
ENV LISTEN_ADDRESS=0.0.0.0:80
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/drain_exporter", "--health-check"]
ENTRYPOINT ["/drain_exporter"]
