# Flower's SuperExec image with fedleak inside: where ServerApp and ClientApps run, keys are made, TensorBoard and pages.
FROM flwr/superexec:1.42.0

USER root
RUN mkdir -p /runs/recordings /runs/vault /keys && chown -R app:app /runs /keys && chmod 700 /runs/* /keys
USER app

WORKDIR /app
COPY --chown=app:app pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=app:app fedleak fedleak
COPY --chown=app:app attacks attacks
COPY --chown=app:app clients clients
COPY --chown=app:app server server
COPY --chown=app:app scripts scripts
RUN python -m pip install --no-cache-dir --constraint constraints.txt .

ENTRYPOINT ["flower-superexec"]
