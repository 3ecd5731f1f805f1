#!/bin/sh
# Give the browser tests a browser: Debian's chromium, installed if that can be done without asking anybody.
# It never fails. Without a browser those tests are skipped; then one line says why.
set -u
skip() { echo "the browser tests will be skipped: $1"; exit 0; }

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
[ "$(id -u)" = 0 ] || skip "there is no Chromium, and only root can install it (apt-get install chromium)"
command -v apt-get >/dev/null 2>&1 || skip "there is no Chromium, and no apt-get to install it with"

install() { DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq --no-install-recommends chromium; }
if ! install >/dev/null 2>&1; then
    timeout 60 apt-get update -qq >/dev/null 2>&1
    install >/dev/null 2>&1 || skip "apt-get could not install chromium"
fi
exit 0
