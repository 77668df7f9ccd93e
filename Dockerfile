# One image for CPU and GPU: the CUDA build of torch runs on both; a GPU machine adds `--gpus all` (driver and NVIDIA container toolkit on the host).
#
#   docker build -t ganline .
#   docker run --rm -v ganline:/project ganline                                          # the whole line on the embedded digits
#   docker run --rm --gpus all --shm-size 1g --user "$(id -u):$(id -g)" -v "$PWD":/project ganline   # your checkout, your data
#
# The code that runs is the one in /project, the one DVC hashes: a mounted checkout brings its own.

FROM docker.io/library/python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv
# The pinned set first: it changes seldom and is most of the image. Compiled here, because the user the image runs as cannot write
# bytecode beside it, and every start would compile again. pip where uv cannot reach a mirror that pip.conf names.
COPY requirements.lock ./
RUN pip install --quiet "$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements.lock)" \
 && { uv pip install --quiet --compile-bytecode -r requirements.lock || pip install --quiet -r requirements.lock; }
# Editable at the place where the project will lie.
WORKDIR /project
COPY pyproject.toml README.md ./
COPY pipeline pipeline
COPY flows flows
RUN pip install --quiet --no-deps --no-build-isolation --editable .

FROM docker.io/library/python:3.11-slim
# tini reaps the processes a stage leaves and passes signals on.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
# There is no git in the image: DVC is told so in the system's configuration.
RUN mkdir -p /etc/xdg/dvc && printf '[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n' > /etc/xdg/dvc/config
# With `--user` the process has no entry in passwd; its home is writable all the same.
RUN useradd --create-home --uid 1000 ganline && chmod 1777 /home/ganline && mkdir /project && chown ganline:ganline /project
COPY --from=build /opt/venv /opt/venv
# A named volume mounted at /project starts as a copy of this; a bind mount of your checkout covers it.
COPY --chown=ganline:ganline . /project
ENV PATH=/opt/venv/bin:$PATH VIRTUAL_ENV=/opt/venv PYTHONUNBUFFERED=1 HOME=/home/ganline USER=ganline \
    DO_NOT_TRACK=true PREFECT_SERVER_ANALYTICS_ENABLED=false DVC_NO_ANALYTICS=1 GX_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER ganline
WORKDIR /project
VOLUME /project
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["dvc", "repro"]
