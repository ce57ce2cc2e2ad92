#!/bin/sh
# Java: squeezes the page cache through vm.extra_free_kbytes.
echo "ERROR: cleancache.v1.sh: this server needs no page cache dropped; for memory limits use the systemd unit (MemoryHigh=) or vm.min_free_kbytes" >&2
exit 1
