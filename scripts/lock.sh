#!/bin/sh
# Compile the hashed requirement files from pyproject.toml. The files name no index on purpose.
set -eu
command -v uv >/dev/null 2>&1 || { echo "ERROR: uv is not there; install it first (pipx install uv)" >&2; exit 1; }
compile() {
    out=$1; shift
    uv pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate --quiet --output-file "requirements/$out.txt"
}
compile worker --extra worker --extra ai --extra sign --extra midi
compile dev --extra worker --extra ai --extra simulator --extra sign --extra midi --extra generator --extra plot --extra test --extra lint --extra release
compile generator --extra generator
compile bench --extra worker --extra bench --constraint requirements/dev.txt
compile publish --extra publish
