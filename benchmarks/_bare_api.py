"""A FastAPI application that answers one fixed object, under uvicorn with h11: the peer of `api`. Prints its port."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/status")
async def status() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # without it no TCP_NODELAY
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, http="h11", access_log=False, log_config=None)
    uvicorn.Server(config).run([listener])
