# The http role: the API, callbacks, the inbox, timers, and jobs whose engine needs no GPU. From the top of the repository:
#   docker build --file infra/docker/http.Dockerfile --tag stemworks-http .
# A tag moves. To build on the very same base again, name it by the digest that `docker pull` prints:
#   --build-arg BASE=mcr.microsoft.com/azure-functions/python@sha256:…
ARG BASE=mcr.microsoft.com/azure-functions/python:4-python3.11
FROM ${BASE}

# Above port 1023, so that nobody has to be root. The init indexing is what streaming HTTP needs up to Python 3.12.
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    ASPNETCORE_URLS=http://+:8080 \
    FUNCTIONS_WORKER_RUNTIME=python \
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true \
    PYTHON_ENABLE_INIT_INDEXING=1 \
    OMP_WAIT_POLICY=passive \
    STEMWORKS_ROLE=http

# The host keeps its keys' ring under HOME, which the base sets to /home, and looks for a folder of secrets beside itself.
RUN useradd --uid 10001 --no-log-init --no-create-home --home-dir /home --shell /usr/sbin/nologin stemworks \
    && mkdir -p /home/site/wwwroot /azure-functions-host/Secrets \
    && chown stemworks:stemworks /home /azure-functions-host/Secrets

WORKDIR /home/site/wwwroot

# What changes least comes first: a change of the code below costs none of this.
COPY constraints.txt requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check --requirement requirements.txt

COPY host.json function_app.py ./
COPY core core
COPY functions functions

# Bytecode, which the user below could not write; and an image whose app does not load is not built.
COPY LICENSE infra/docker/check_image.py infra/docker/sbom.py /usr/local/share/stemworks/
RUN python -m compileall -q core functions function_app.py \
    && python /usr/local/share/stemworks/check_image.py requirements.txt \
    && python /usr/local/share/stemworks/sbom.py /usr/local/share/stemworks/sbom.cdx.json

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Stemworks, http role" \
      org.opencontainers.image.description="A self-hosted, event-driven music backend: API, callbacks, timers, CPU jobs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

# The host itself, not the base's script: bash as process 1 passes no SIGTERM on, and the host would be killed unawares.
CMD ["/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost"]
