#!/bin/sh
# Java: sets vm.extra_free_kbytes and vm.min_free_kbytes.
echo "ERROR: setcache.sh: this server needs no page cache dropped; for memory limits use the systemd unit (MemoryHigh=) or vm.min_free_kbytes" >&2
exit 1
