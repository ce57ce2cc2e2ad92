#!/bin/sh
# Stands in for the rocketmq program in tests/scripts.rs: tells how it was called.
echo "pid=$$"
echo "home=$ROCKETMQ_HOME namesrv=$NAMESRV_ADDR user=$HOME"
env | grep '^ROCKETMQ_TLS_' | sort
for argument; do echo "[$argument]"; done
echo "as $0"
