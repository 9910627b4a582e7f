# Flower's SuperExec image with fedleak inside: where the ServerApp and the ClientApps run, and TensorBoard.
FROM flwr/superexec:1.42.0

USER root
RUN mkdir -p /runs/recordings /runs/vault && chown -R app:app /runs
USER app

WORKDIR /app
COPY --chown=app:app pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=app:app fedleak fedleak
COPY --chown=app:app attacks attacks
COPY --chown=app:app clients clients
COPY --chown=app:app server server
RUN python -m pip install --no-cache-dir --constraint constraints.txt .

ENTRYPOINT ["flower-superexec"]
