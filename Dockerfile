# The command line as an image, for any CI system:
#   docker build -t listeval .
#   docker run --rm -v "$PWD:/work" -u "$(id -u):$(id -g)" listeval run --task fashion --backend null --model gold
# Other parts: docker build --build-arg EXTRAS=cpu,constrain,openai -t listeval .
# An index of CPU builds of torch: --build-arg PIP_ARGS="--extra-index-url <index>"
FROM python:3.12-slim

ARG EXTRAS=openai,hub,sandbox
ARG PIP_ARGS=""

RUN apt-get update \
    && apt-get install --yes --no-install-recommends libseccomp2 \
    && rm -rf /var/lib/apt/lists/*

COPY pyproject.toml README.md LICENSE /src/
COPY listeval /src/listeval
COPY training /src/training
COPY tasks /src/tasks
COPY rubrics /src/rubrics
COPY checkpoints /src/checkpoints
COPY reports/templates /src/reports/templates
RUN python -m pip install --no-cache-dir $PIP_ARGS "/src${EXTRAS:+[$EXTRAS]}" && rm -rf /src

# Whoever the container runs as may write here; results belong into the mounted /work.
ENV HOME=/tmp PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 listeval && mkdir -p /work && chown listeval /work
USER listeval
WORKDIR /work
ENTRYPOINT ["listeval"]
CMD ["--help"]
