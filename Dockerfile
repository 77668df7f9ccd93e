# One image for CPU and GPU. The CUDA build of torch runs on both. A GPU machine needs the NVIDIA driver and container
# toolkit on the host; add `--gpus all`.
#
#   docker build -t ganline .
#   docker run --rm -v ganline:/project ganline            # all stages on the embedded digits
#   docker run --rm --gpus all --shm-size 1g --user "$(id -u):$(id -g)" -v "$PWD":/project ganline   # your checkout
#
# The image runs the code in /project, which is also the code that DVC hashes. A mounted checkout brings its own code.

FROM docker.io/library/python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv
# The pinned packages come first: they rarely change and make up most of the image. Bytecode is compiled here, because
# the image's user cannot write it later. pip takes over if uv cannot reach a mirror that only pip.conf names.
COPY requirements.lock ./
RUN pip install --quiet "$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock)" \
 && { uv pip install --quiet --compile-bytecode -r requirements.lock || pip install --quiet -r requirements.lock; }
# An editable install at the final location of the project.
WORKDIR /project
COPY pyproject.toml README.md ./
COPY pipeline pipeline
COPY flows flows
RUN pip install --quiet --no-deps --no-build-isolation --editable .

FROM docker.io/library/python:3.11-slim
# tini reaps orphaned processes of a stage and forwards signals.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
# The image has no git, so DVC's system configuration disables SCM.
RUN mkdir -p /etc/xdg/dvc \
 && printf '[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n' > /etc/xdg/dvc/config
# With `--user` the process has no entry in passwd, but its home must be writable.
RUN useradd --create-home --uid 1000 ganline && chmod 1777 /home/ganline \
 && mkdir /project && chown ganline:ganline /project
COPY --from=build /opt/venv /opt/venv
# A new named volume mounted at /project starts as a copy of these files. A bind mount of your checkout hides them.
COPY --chown=ganline:ganline . /project
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv PYTHONUNBUFFERED=1 HOME=/home/ganline USER=ganline \
    DO_NOT_TRACK=true PREFECT_SERVER_ANALYTICS_ENABLED=false DVC_NO_ANALYTICS=1 \
    GX_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER ganline
WORKDIR /project
VOLUME /project
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["dvc", "repro"]
