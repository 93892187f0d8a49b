# One image for everything: the command chooses the service, such as `python -m services.tsp`.
# It is built from a fresh clone; nothing need be generated before. Classic builder and BuildKit will both do.

FROM python:3.13-slim AS builder
WORKDIR /build

# Every file is held against its hash here. What follows takes it from /wheels alone and asks no registry.
COPY requirements.lock ./
RUN pip download --quiet --no-cache-dir --require-hashes --only-binary=:all: --dest /wheels --requirement requirements.lock
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The tools, and with them cardnet as one wheel with the code of protos/ in it.
COPY LICENSE README.md pyproject.toml ./
COPY tools tools
COPY protos protos
COPY cardnet cardnet
COPY services services
RUN python tools/bootstrap.py
RUN .venv/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

# What runs: cardnet and what it needs to run, compiled, without pip. Of all wheels pip takes those alone.
RUN python -m venv --without-pip /opt/cardnet \
 && .venv/bin/python -m pip --python /opt/cardnet/bin/python install --quiet --no-compile --only-binary=:all: cardnet \
 && /opt/cardnet/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/cardnet/lib


FROM python:3.13-slim
LABEL org.opencontainers.image.title="cardnet" \
      org.opencontainers.image.description="A simulated card payment network with network tokenisation. For tests only." \
      org.opencontainers.image.licenses="Apache-2.0"

# Folders for volumes: a new volume takes the owner of the folder on which it is first mounted.
RUN umask 077 \
 && mkdir -p /run/cardnet/identity /run/cardnet/identities /run/cardnet/traces /run/cardnet/store \
 && for name in merchant acquirer network tsp issuer wallet; do mkdir -p /run/cardnet/stores/urls/$name; done \
 && for name in shops vault ledger; do mkdir -p /run/cardnet/stores/users/$name /var/lib/cardnet/$name; done \
 && mkdir -p /var/lib/cardnet/merchant /var/lib/cardnet/tsp /var/lib/cardnet/issuer \
 && chown -R 10001:10001 /run/cardnet /var/lib/cardnet

COPY --from=builder /opt/cardnet /opt/cardnet
COPY deploy/compose/*.py /opt/cardnet/
ENV PATH=/opt/cardnet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 HOME=/tmp
WORKDIR /tmp
USER 10001:10001
CMD ["cardnet", "--help"]
