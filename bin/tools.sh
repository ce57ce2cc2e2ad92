#!/bin/sh
# Runs a tool by the name of its Java class: tools.sh org.apache.rocketmq.example.quickstart.Producer
self=$0
while [ -h "$self" ]; do
    link=$(readlink "$self")
    case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
bin=$(CDPATH='' cd -P -- "$(dirname -- "$self")" && pwd) || exit 1
. "$bin/launch.sh"
run_class "$@"
