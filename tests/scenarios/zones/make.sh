#!/bin/sh
# Signs the zones of the signed scenarios, once. The results are committed, so that the hashes a case cites stay;
# run it again only to change a zone, and then correct the cases. Needs bind9-utils and ldnsutils. Validity: to 2080.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

prepare() { # origin source
    { echo "\$ORIGIN $1"; cat "$2"; } > "$work/$1zone"
    ksk=$(dnssec-keygen -q -K "$work" -a ECDSAP256SHA256 -f KSK "$1")
    zsk=$(dnssec-keygen -q -K "$work" -a ECDSAP256SHA256 "$1")
}

bind_sign() { # origin source result options...
    origin=$1 source=$2 result=$3
    shift 3
    prepare "$origin" "$source"
    cat "$work/$ksk.key" "$work/$zsk.key" >> "$work/${origin}zone"
    dnssec-signzone -q -K "$work" -o "$origin" -O full -s 20250101000000 -e 20800101000000 "$@" \
        -d "$work" -f "$work/signed" "$work/${origin}zone" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    grep -v '^;' "$work/signed" > "$result"
}

bind_sign nsec.example. nsec.unsigned nsec.zone
bind_sign nsec3.example. nsec.unsigned nsec3.zone -3 -
bind_sign optout.example. optout.unsigned optout.zone -3 - -A

# The same by ldns, with salt and iterations, as zones from before RFC 9276 have them.
prepare salted.example. nsec.unsigned
(cd "$work" && ldns-signzone -n -s aabbccdd -t 5 -i 20250101000000 -e 20800101000000 \
    -f "$work/signed" "$work/salted.example.zone" "$ksk" "$zsk")
grep -v '^;' "$work/signed" > salted.zone
