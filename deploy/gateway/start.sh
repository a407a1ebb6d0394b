#!/bin/sh
# Starts nginx with the container's own name server: Docker's and Podman's are at different addresses.
set -eu
awk '$1 == "nameserver" && !found { found = 1
        address = index($2, ":") ? "[" $2 "]" : $2
        print "resolver " address " valid=5s ipv6=off;" }' /etc/resolv.conf > /tmp/resolver.conf
exec nginx -g 'daemon off;'
