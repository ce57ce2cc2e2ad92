#!/bin/sh
# Java: drops the page cache.
echo "ERROR: cleancache.sh: this server needs no page cache dropped; for memory limits use the systemd unit (MemoryHigh=) or vm.min_free_kbytes" >&2
exit 1
