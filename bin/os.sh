#!/bin/sh
# Kernel settings for a broker with many mapped files, until the next boot. Java's also writes to /etc, turns
# write-back off for an hour and lets half of the memory get dirty; this one does neither.
PATH=$PATH:/sbin:/usr/sbin
settings='vm.max_map_count=655360 vm.swappiness=1 vm.zone_reclaim_mode=0'
if [ "$(id -u)" -ne 0 ]; then
    echo "ERROR: os.sh needs root: sudo sh $0 (it sets $settings)" >&2
    exit 1
fi
for setting in $settings; do
    sysctl -w "$setting" || failed=1
done
echo "To keep them: printf '%s\\n' $settings > /etc/sysctl.d/60-rocketmq.conf"
echo "Open files:   LimitNOFILE=655350 in the systemd unit, or 'nofile 655350' in /etc/security/limits.conf"
exit "${failed:-0}"
