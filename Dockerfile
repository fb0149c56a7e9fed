# Two images from one file: `desk` for every process, `worker` for the one that may need a browser.
# compose.yaml says which process each container runs. Build arguments let you choose the bases.
ARG PYTHON_IMAGE=python:3.13-slim
ARG NODE_IMAGE=node:24-slim

# The front-end files that package-lock.json names by hash.
FROM ${NODE_IMAGE} AS front-end
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# The Python packages that requirements.txt names by hash, in an environment of their own, without
# what no process loads: the packages' tests, stubs and sources of translations, programs that fetch browsers, pip itself.
FROM ${PYTHON_IMAGE} AS packages
RUN python -m venv /opt/environment
COPY requirements.txt /tmp/
RUN /opt/environment/bin/pip install --no-cache-dir --no-compile --require-hashes \
      -r /tmp/requirements.txt \
    && /opt/environment/bin/pip uninstall --yes --quiet pip \
    && cd /opt/environment/lib/python3*/site-packages \
    && rm -rf selenium/webdriver/common/linux selenium/webdriver/common/macos \
      selenium/webdriver/common/windows \
    && find numpy scipy -type d -name tests -prune -exec rm -rf {} + \
    && find . -type f \( -name '*.pyi' -o -name '*.po' -o -name '*.a' \) -delete \
    && /opt/environment/bin/python -m compileall -q -j 0 .

# The code with its static files, collected once. No secret is needed for that, and none stays.
FROM ${PYTHON_IMAGE} AS code
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
RUN DJANGO_SETTINGS_MODULE=config.settings.local SECRET_KEY=only-for-collecting \
    TOKEN_ENCRYPTION_KEYS=only-for-collecting STATIC_ROOT=/srv/greekdesk/collected VAR_DIR=/tmp/var \
    /opt/environment/bin/python manage.py collectstatic --no-input --verbosity 0 \
    && rm -rf static node_modules && mkdir -p static node_modules/uplot/dist \
    && /opt/environment/bin/python -m compileall -q -j 0 . && chmod -R a+rX .

FROM ${PYTHON_IMAGE} AS desk
# The code belongs to root and is read only; the desk writes under VAR_DIR alone.
RUN groupadd --gid 10001 greekdesk \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/greekdesk greekdesk \
    && mkdir --mode 0700 /var/lib/greekdesk && chown greekdesk:greekdesk /var/lib/greekdesk
WORKDIR /srv/greekdesk
COPY --from=packages /opt/environment /opt/environment
COPY --from=code /srv/greekdesk ./
ENV PATH=/opt/environment/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    STATIC_ROOT=/srv/greekdesk/collected \
    VAR_DIR=/var/lib/greekdesk
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "manage.py"]
CMD ["run_process", "web", "--host", "0.0.0.0"]

# The worker's, with the browser of Upstox's log-in where it is asked for.
FROM desk AS worker
ARG BROWSER=
USER root
RUN if [ -n "$BROWSER" ]; then \
      apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver \
      && rm -rf /var/lib/apt/lists/*; \
    fi
USER 10001:10001
CMD ["run_process", "worker"]
