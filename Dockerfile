# One image for every process of the desk; compose.yaml says which of them each container runs.
# Build arguments let you pin the bases by digest.
ARG PYTHON_IMAGE=python:3.13-slim
ARG NODE_IMAGE=node:24-slim

# The front-end files that package-lock.json names by hash.
FROM ${NODE_IMAGE} AS front-end
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The Python packages that requirements.txt names by hash, in an environment of their own.
FROM ${PYTHON_IMAGE} AS packages
RUN python -m venv /opt/environment
COPY requirements.txt /tmp/
RUN /opt/environment/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/environment/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    VAR_DIR=/var/lib/greekdesk
# The browser of Upstox's log-in, where it is asked for.
ARG BROWSER=
RUN if [ -n "$BROWSER" ]; then \
      apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver \
      && rm -rf /var/lib/apt/lists/*; \
    fi
# The code belongs to root and is read only; the desk writes under VAR_DIR alone.
RUN useradd --system --uid 10001 --home-dir /var/lib/greekdesk --create-home greekdesk
WORKDIR /srv/greekdesk
COPY --from=packages /opt/environment /opt/environment
COPY --from=front-end /build/node_modules ./node_modules
COPY manage.py ./
COPY config ./config
COPY auth_tokens ./auth_tokens
COPY greeks ./greeks
COPY portfolio ./portfolio
COPY trades ./trades
COPY templates ./templates
COPY static ./static
USER greekdesk
# The static files are collected once, here. No secret is needed for that, and none stays.
RUN DJANGO_SETTINGS_MODULE=config.settings.local SECRET_KEY=only-for-collecting \
    TOKEN_ENCRYPTION_KEYS=only-for-collecting \
    python -c "import django; django.setup(); \
from config.core.processes.targets import collect_static_files as c; c()"
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "manage.py"]
CMD ["up", "--host", "0.0.0.0", "--port", "8000"]
