#!/bin/sh
# Installs the Debian packages of deploy/packages.txt that are missing and, for
# tests, the npm packages of package-lock.json. Says nothing when all is there.
# usage: deploy/deps.sh run|test
set -eu
what=${1:-test}
want=$(awk -v what="$what" '!/^#/ && NF && (what == "test" || $2 == "run") \
    { print $1 }' deploy/packages.txt)
if [ "$what" = test ] && ! command -v node >/dev/null; then
    want="$want nodejs npm"
fi
missing=''
for package in $want; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
        grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    sudo=''
    [ "$(id -u)" = 0 ] || sudo=sudo
    echo "installing:$missing"
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
        --no-install-recommends $missing >/dev/null
fi
if [ "$what" = test ] && [ -f package-lock.json ] &&
    [ ! -e node_modules/.package-lock.json -o \
        package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "installing npm packages"
    npm ci --loglevel=error --no-audit --no-fund --ignore-scripts
    touch node_modules/.package-lock.json
fi
