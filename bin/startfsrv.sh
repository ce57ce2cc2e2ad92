#!/bin/sh
# Java: starts the filter server, whose class 4.3.0 no longer contains.
echo "ERROR: startfsrv.sh: there is no filter server; filter with tags or SQL92 in the consumer's subscription" >&2
exit 1
