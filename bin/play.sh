#!/bin/sh
# Java: starts a name server and a broker in the background.
echo "ERROR: play.sh: run \"rocketmq standalone\", or mqnamesrv and mqbroker" >&2
exit 1
