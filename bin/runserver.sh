#!/bin/sh
# For unit files that call it: runserver.sh org.apache.rocketmq.namesrv.NamesrvStartup [ARGUMENT ...]
self=$0
while [ -h "$self" ]; do
    link=$(readlink "$self")
    case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
bin=$(CDPATH='' cd -P -- "$(dirname -- "$self")" && pwd) || exit 1
. "$bin/launch.sh"
run_class "$@"
