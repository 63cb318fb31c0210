#!/bin/sh
# Makes the EF.SODs and certificates of this folder with the openssl command line (3.0 or later), an issuer that shares no
# code with ours. All names and keys are invented, and the private keys are thrown away. The tests need no openssl: run
# this only to make the files anew, from within this folder. Dates are counted from the day of making; the tests take
# theirs from the certificates.
set -eu
out=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

cat > ext.cnf <<'X'
[req]
distinguished_name = dn
[dn]
[csca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[csca_usage]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,digitalSignature,cRLSign
subjectKeyIdentifier = hash
[csca_noskid]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = none
[ds]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ds_noaki]
keyUsage = critical,digitalSignature
[ds_usage]
keyUsage = critical,keyEncipherment
authorityKeyIdentifier = keyid
[ds_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,digitalSignature
authorityKeyIdentifier = keyid
[ds_purpose]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,2.23.136.1.1.3
authorityKeyIdentifier = keyid
[ds_critical]
keyUsage = critical,digitalSignature
authorityKeyIdentifier = keyid
1.3.6.1.4.1.99999.1 = critical,ASN1:UTF8String:nobody knows this
X

key() { # name kind
	case $2 in
	rsa*) openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:"${2#rsa}" -out "$1.key" 2>/dev/null ;;
	*-explicit) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"${2%-explicit}" -pkeyopt ec_param_enc:explicit -out "$1.key" ;;
	*) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$2" -pkeyopt ec_param_enc:named_curve -out "$1.key" ;;
	esac
}
csca() { # name kind subject extensions digest-and-options
	key "$1" "$2"
	n=$1 s=$3 e=$4
	shift 4
	openssl req -x509 -new -key "$n.key" -subj "$s" -days 5475 -config ext.cnf -extensions "$e" "$@" -out "$n.pem"
	openssl x509 -in "$n.pem" -outform DER -out "$out/$n.cer"
}
ds() { # name kind subject issuer extensions days digest-and-options
	key "$1" "$2"
	n=$1 s=$3 i=$4 e=$5 d=$6
	shift 6
	openssl req -new -key "$n.key" -subj "$s" -config ext.cnf -out "$n.csr"
	openssl x509 -req -in "$n.csr" -CA "$i.pem" -CAkey "$i.key" -CAcreateserial -days "$d" -extfile ext.cnf -extensions "$e" "$@" -out "$n.pem" 2>/dev/null
}
sod() { # name object content-type options
	n=$1 o=$2 t=$3
	shift 3
	openssl cms -sign -binary -nodetach -econtent_type "$t" -in "$o" -nosmimecap -outform DER "$@" -out "$n.cms"
	len=$(wc -c < "$n.cms")
	# tag 77 with a length of two bytes
	printf '\167\202' > "$out/$n.sod"
	printf "\\$(printf %o $((len / 256)))\\$(printf %o $((len % 256)))" >> "$out/$n.sod"
	cat "$n.cms" >> "$out/$n.sod"
}
LDS=2.23.136.1.1.1

# The files of an invented person, and the object with their hashes.
printf 'a]_\037ZIDVNM0990123459001099012345<<09901018M3901016VNM<<<<<<<<<<<0NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<' > DG1.bin
printf 'u\020invented picture' > DG2.bin
printf 'm\017invented fields' > DG13.bin
cp DG1.bin DG2.bin DG13.bin "$out"
object() { # name digest-oid digest
	{
		printf 'asn1=SEQUENCE:o\n[o]\nv=INTEGER:0\na=SEQUENCE:a\nh=SEQUENCE:h\n[a]\no=OID:%s\nn=NULL\n[h]\n' "$2"
		for n in 1 2 13; do printf 'd%s=SEQUENCE:d%s\n' $n $n; done
		for n in 1 2 13; do
			# an unknown algorithm is still a hash of 32 bytes
			printf '[d%s]\nn=INTEGER:%s\nh=FORMAT:HEX,OCTETSTRING:%s\n' $n $n "$(openssl dgst -"$3" -r DG$n.bin | cut -d' ' -f1)"
		done
	} > "$1.cnf"
	openssl asn1parse -genconf "$1.cnf" -noout -out "$1.der"
}
object object 2.16.840.1.101.3.4.2.1 sha256
object object-sha1 1.3.14.3.2.26 sha1
object object-sha512 2.16.840.1.101.3.4.2.3 sha512
object object-unknown 1.2.3.4.5 sha256

V="/C=VN/O=Invented State/CN=Invented CSCA"
csca csca P-256 "$V" csca -sha256
csca csca-brainpool brainpoolP256r1-explicit "$V brainpool" csca -sha256
csca csca-rsa rsa3072 "$V RSA" csca -sha256
csca csca-pss rsa3072 "$V PSS" csca -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
csca csca-usage P-256 "$V usage" csca_usage -sha256
csca csca-noskid P-256 "$V without identifier" csca_noskid -sha256
csca csca-sha1 rsa2048 "$V SHA-1" csca -sha1
csca csca-laos P-256 "/C=LA/O=Invented State/CN=Invented CSCA of Laos" csca -sha256
csca forger P-256 "$V" csca -sha256 # the same name, another key

D="/C=VN/O=Invented State/CN=Invented signer"
ds ds P-256 "$D" csca ds 3650 -sha256
ds ds2 P-256 "$D two" csca ds 3650 -sha256
ds ds-short P-256 "$D short" csca ds 30 -sha256
ds ds-brainpool brainpoolP256r1-explicit "$D" csca-brainpool ds 3650 -sha256
ds ds-rsa rsa2048 "$D" csca-rsa ds 3650 -sha256
ds ds-pss rsa2048 "$D" csca-pss ds 3650 -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
ds ds-cscausage P-256 "$D" csca-usage ds 3650 -sha256
ds ds-noskid P-256 "$D" csca-noskid ds_noaki 3650 -sha256
ds ds-sha1 rsa2048 "$D" csca-sha1 ds 3650 -sha1
ds ds-usage P-256 "$D" csca ds_usage 3650 -sha256
ds ds-ca P-256 "$D" csca ds_ca 3650 -sha256
ds ds-purpose P-256 "$D" csca ds_purpose 3650 -sha256
ds ds-critical P-256 "$D" csca ds_critical 3650 -sha256
ds ds-laos P-256 "/C=LA/O=Invented State/CN=Invented signer" csca-laos ds 3650 -sha256
ds ds-claims-laos P-256 "/C=LA/O=Invented State/CN=Invented signer" csca ds 3650 -sha256
ds ds-forger P-256 "$D" forger ds 3650 -sha256
ds ds-rsa1024 rsa1024 "$D" csca ds 3650 -sha256
openssl x509 -in ds.pem -outform DER -out "$out/ds.der"
openssl x509 -in ds-forger.pem -outform DER -out "$out/ds-forger.der"

by() { echo -signer "$1.pem" -inkey "$1.key"; }
sod good object.der $LDS $(by ds) -md sha256
sod keyid object.der $LDS $(by ds) -md sha256 -keyid
sod sha512 object-sha512.der $LDS $(by ds) -md sha512
sod ber object.der $LDS $(by ds) -md sha256 -stream -indef
sod two-certificates object.der $LDS $(by ds) -md sha256 -certfile ds2.pem
sod two-signers object.der $LDS $(by ds) $(by ds2) -md sha256
sod no-certificate object.der $LDS $(by ds) -md sha256 -nocerts
sod no-attributes object.der $LDS $(by ds) -md sha256 -noattr
sod other-content object.der 1.2.3.4 $(by ds) -md sha256
sod other-object ext.cnf $LDS $(by ds) -md sha256
sod unknown-hash object-unknown.der $LDS $(by ds) -md sha256
sod short object.der $LDS $(by ds-short) -md sha256
sod brainpool object.der $LDS $(by ds-brainpool) -md sha256
sod rsa object.der $LDS $(by ds-rsa) -md sha256
sod pss object.der $LDS $(by ds-pss) -md sha256 -keyopt rsa_padding_mode:pss
sod csca-usage object.der $LDS $(by ds-cscausage) -md sha256
sod noskid object.der $LDS $(by ds-noskid) -md sha256
sod sha1 object-sha1.der $LDS $(by ds-sha1) -md sha1
sod sha1-object object-sha1.der $LDS $(by ds) -md sha256
sod ds-usage object.der $LDS $(by ds-usage) -md sha256
sod ds-ca object.der $LDS $(by ds-ca) -md sha256
sod ds-purpose object.der $LDS $(by ds-purpose) -md sha256
sod ds-critical object.der $LDS $(by ds-critical) -md sha256
sod laos object.der $LDS $(by ds-laos) -md sha256
sod claims-laos object.der $LDS $(by ds-claims-laos) -md sha256
sod forger object.der $LDS $(by ds-forger) -md sha256
sod rsa1024 object.der $LDS $(by ds-rsa1024) -md sha256
