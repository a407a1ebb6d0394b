#!/bin/sh
# Starts nginx with the container's own name server (Docker's and Podman's are at different addresses), and with TLS on
# port 8443 where it was given a certificate.
set -eu
awk '$1 == "nameserver" && !found { found = 1
        address = index($2, ":") ? "[" $2 "]" : $2
        print "resolver " address " valid=5s ipv6=off;" }' /etc/resolv.conf > /tmp/resolver.conf
: > /tmp/tls.conf
if [ -e /run/secrets/tls-certificate ]; then
    cat > /tmp/tls.conf <<'EOF'
listen 8443 ssl;
ssl_certificate /run/secrets/tls-certificate;
ssl_certificate_key /run/secrets/tls-key;
ssl_protocols TLSv1.2 TLSv1.3;
ssl_session_cache shared:tls:1m;
ssl_session_tickets off;
EOF
fi
exec nginx -g 'daemon off;'
