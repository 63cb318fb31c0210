#!/bin/sh
# Makes what a trust folder may hold, and EF.SODs to judge by it, with the openssl command line (3.0 or later): an issuer that
# shares no code with ours. All names and keys are invented, and the private keys are thrown away. The tests need no openssl:
# run this only to make the files anew, from within this folder. Dates are fixed; the tests' inspections are in 2026.
set -eu
out=$(pwd)
groups=$out/..
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
export DB=none

cat > ca.cnf <<'X'
[req]
distinguished_name = dn
[dn]
[ca]
database = $ENV::DB/index.txt
serial = $ENV::DB/serial
crlnumber = $ENV::DB/crlnumber
new_certs_dir = $ENV::DB
default_md = sha256
policy = any
unique_subject = no
crl_extensions = crl
[any]
countryName = optional
organizationName = optional
commonName = optional
[crl]
authorityKeyIdentifier = keyid
[crl_critical]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@idp
[idp]
indirectCRL = TRUE
[csca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[csca_nocrl]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[ds]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[lister]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,2.23.136.1.1.3
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[lister_plain]
keyUsage = critical,digitalSignature
extendedKeyUsage = 2.23.136.1.1.3
authorityKeyIdentifier = keyid
[deviator]
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,2.23.136.1.1.8
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
X

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$1.key"; }
db() { # ca: its book of certificates and revocations
	mkdir "$1.db"
	: > "$1.db/index.txt"
	printf '%s\n' "$2" > "$1.db/serial"
	echo 01 > "$1.db/crlnumber"
}
csca() { # name subject from to extensions
	key "$1"
	db "$1" 10
	openssl req -new -key "$1.key" -subj "$2" -config ca.cnf -out "$1.csr"
	DB=$1.db openssl ca -batch -notext -config ca.cnf -name ca -selfsign -keyfile "$1.key" -in "$1.csr" -extensions "$5" -startdate "$3" -enddate "$4" -out "$1.pem" 2>/dev/null
	openssl x509 -in "$1.pem" -outform DER -out "$out/$1.cer"
}
issue() { # name subject ca from to extensions [key]
	if [ $# -lt 7 ]; then key "$1"; fi
	openssl req -new -key "${7:-$1}.key" -subj "$2" -config ca.cnf -out "$1.csr"
	DB=$3.db openssl ca -batch -notext -config ca.cnf -name ca -cert "$3.pem" -keyfile "$3.key" -in "$1.csr" ${6:+-extensions "$6"} -startdate "$4" -enddate "$5" -out "$1.pem" 2>/dev/null
}
der() { openssl x509 -in "$1.pem" -outform DER; }
revoke() { DB=$1.db openssl ca -config ca.cnf -name ca -cert "$1.pem" -keyfile "$1.key" -revoke "$2.pem" 2>/dev/null; }
crl() { # ca last next file [options]
	ca=$1 last=$2 next=$3 file=$4
	shift 4
	DB=$ca.db openssl ca -config ca.cnf -name ca -gencrl -cert "$ca.pem" -keyfile "$ca.key" -crl_lastupdate "$last" -crl_nextupdate "$next" "$@" -out crl.pem 2>/dev/null
	openssl crl -in crl.pem -outform DER -out "$out/$file" 2>/dev/null
}
wrap() { # tag (octal) file: the file as one DER element
	len=$(wc -c < "$2")
	printf "\\$1"
	if [ "$len" -lt 128 ]; then
		printf "\\$(printf %o "$len")"
	elif [ "$len" -lt 256 ]; then
		printf '\201'
		printf "\\$(printf %o "$len")"
	else
		printf '\202'
		printf "\\$(printf %o $((len / 256)))\\$(printf %o $((len % 256)))"
	fi
	cat "$2"
}
sign() { # content type signer options: a CMS SignedData on standard output
	content=$1 type=$2 signer=$3
	shift 3
	openssl cms -sign -binary -nodetach -nosmimecap -econtent_type "$type" -in "$content" -signer "$signer.pem" -inkey "$signer.key" -md sha256 -outform DER "$@"
}
members() { # file names of certificates: a CscaMasterList on standard output
	cat "$@" > set.tmp
	{ printf '\002\001\000'; wrap 061 set.tmp; } > seq.tmp
	wrap 060 seq.tmp
}
attribute() { # name file: one folded line of LDIF
	{ printf '%s:: ' "$1"; base64 -w 0 "$2"; } | fold -w 78 | sed '2,$s/^/ /'
	echo
}

S="/C=VN/O=Invented State/CN=Invented CSCA"
FROM=20240101000000Z TO=20400101000000Z
csca csca "$S" $FROM $TO csca
csca csca2 "$S" 20250601000000Z 20410101000000Z csca                # the next key, the same name
csca csca3 "$S renamed" 20250901000000Z 20410101000000Z csca        # the next key, another name
csca forger "$S" $FROM $TO csca                                     # the same name, nobody's key
csca laos "/C=LA/O=Invented State/CN=Invented CSCA of Laos" $FROM $TO csca
csca nocrl "$S that may not sign lists" $FROM $TO csca_nocrl
csca old "$S that ended" 20100101000000Z 20260101000000Z csca
issue link "$S" csca 20250601000000Z $TO csca csca2
issue link3 "$S renamed" csca2 20250901000000Z $TO csca csca3
issue link-back "$S" csca2 $FROM $TO csca csca
issue link-forged "$S" forger $FROM $TO csca csca2
key taken
issue link-revoked "$S" csca 20250601000000Z $TO csca taken
cp link-revoked.pem taken.pem
db taken 30
for n in link link3 link-back link-forged link-revoked; do der $n > "$out/$n.cer"; done

D="/C=VN/O=Invented State/CN=Invented signer"
issue ds "$D" csca 20250101000000Z 20350101000000Z ds
issue ds-revoked "$D to be revoked" csca 20250101000000Z 20350101000000Z ds
issue ds-ended "$D that ended" csca 20240101000000Z 20260101000000Z ds
issue ds-future "$D of later" csca 20300101000000Z 20350101000000Z ds
issue ds-ended-revoked "$D that ended and was revoked" csca 20240101000000Z 20260101000000Z ds
issue ds-future-revoked "$D of later, revoked" csca 20300101000000Z 20350101000000Z ds
issue ds2 "$D under the next key" csca2 20250601000000Z 20350101000000Z ds
issue ds3 "$D under the next name" csca3 20250901000000Z 20350101000000Z ds
issue ds-taken "$D under a link taken back" taken 20250901000000Z 20350101000000Z ds
issue ds-nocrl "$D" nocrl 20250101000000Z 20350101000000Z ds
issue ds-old "$D" old 20250101000000Z 20350101000000Z ds
issue ds-version1 "$D without extensions" csca 20250101000000Z 20350101000000Z "" # a certificate of version 1
issue ds-lister "$D that may only sign lists" csca 20250101000000Z 20350101000000Z lister_plain
# A forger's signer with the issuer and number of the one that is revoked.
serial=$(openssl x509 -in ds-revoked.pem -noout -serial | cut -d= -f2)
echo "$serial" > forger.db/serial
issue ds-forged "$D to be revoked" forger 20250101000000Z 20350101000000Z ds
der ds > "$out/ds.der"
der ds-revoked > "$out/ds-revoked.der"
der ds-version1 > "$out/ds-version1.cer"
issue lister "/C=VN/O=Invented State/CN=Invented master list signer" csca $FROM $TO lister
issue lister-ended "/C=VN/O=Invented State/CN=Invented master list signer that ended" csca $FROM 20260101000000Z lister
issue deviator "/C=VN/O=Invented State/CN=Invented deviation list signer" csca $FROM $TO deviator
issue lister-forged "/C=VN/O=Invented State/CN=Invented master list signer" forger $FROM $TO lister

# Revocation lists.
crl csca 20260101000000Z 20270101000000Z none.crl
for n in ds-revoked ds-ended-revoked ds-future-revoked link-revoked; do revoke csca $n; done
crl csca 20260201000000Z 20270101000000Z revoked.crl
crl csca 20260201000000Z 20260401000000Z stale.crl
crl csca 20260201000000Z 20270101000000Z critical.crl -crlexts crl_critical
openssl crl -inform DER -in "$out/revoked.crl" -out "$out/revoked.pem"
revoke forger ds-forged
crl forger 20260201000000Z 20270101000000Z forged.crl
revoke nocrl ds-nocrl
crl nocrl 20260201000000Z 20270101000000Z nocrl.crl
# The next key speaks of what the key before it issued; they share a name.
cp csca.db/index.txt csca2.db/index.txt
crl csca2 20260301000000Z 20270101000000Z next-key.crl
sed '/crl_extensions/d;/crlnumber/d' ca.cnf > v1.cnf
DB=csca.db openssl ca -config v1.cnf -name ca -gencrl -cert csca.pem -keyfile csca.key -crl_lastupdate 20260201000000Z -crl_nextupdate 20270101000000Z -out crl.pem 2>/dev/null
openssl crl -in crl.pem -outform DER -out "$out/v1.crl"
head -c 200 "$out/revoked.crl" > "$out/cut.crl"

# Master lists. One holds a certificate that is none.
MASTER=2.23.136.1.1.2
printf '0\003\002\001\005' > junk.der
members "$out/csca.cer" "$out/laos.cer" "$out/link.cer" > all.der
members "$out/laos.cer" "$out/csca3.cer" > others.der
members "$out/csca.cer" junk.der "$out/laos.cer" > broken.der
sign all.der $MASTER lister -certfile csca.pem > "$out/good.ml"
openssl cms -cmsout -inform DER -in "$out/good.ml" -outform PEM -out "$out/good.pem"
sign all.der $MASTER lister > "$out/within.ml"
sign others.der $MASTER lister -keyid > "$out/given.ml"
sign broken.der $MASTER lister > "$out/broken-member.ml"
sign all.der $MASTER lister-ended > "$out/ended.ml"
sign all.der $MASTER ds > "$out/no-purpose.ml"
sign all.der $MASTER deviator > "$out/other-purpose.ml"
sign all.der $MASTER csca > "$out/by-csca.ml"
sign all.der $MASTER lister -signer ds.pem -inkey ds.key > "$out/two-signers.ml"
sign all.der $MASTER lister -noattr > "$out/no-attributes.ml"
sign all.der $MASTER lister -nocerts > "$out/no-signer.ml"
sign all.der $MASTER lister-forged > "$out/forged.ml"
sign all.der 1.2.3.4 lister > "$out/other-content.ml"
sign ca.cnf $MASTER lister > "$out/no-list.ml"
head -c 900 "$out/good.ml" > "$out/cut.ml"
# One letter of a name in the list.
sed 's/Invented CSCA of Laos/Invented CSCA of LaoS/' "$out/within.ml" > "$out/changed.ml"

# A deviation list that names one signer by its key identifier, and all documents of a type besides.
ski=$(openssl x509 -in ds.pem -noout -ext subjectKeyIdentifier | tail -1 | tr -d ' :')
cat > dl.cnf <<X
asn1 = SEQUENCE:list
[list]
v = INTEGER:0
d = SET:all
[all]
1 = SEQUENCE:one
2 = SEQUENCE:two
[one]
docs = SEQUENCE:onedocs
text = SET:texts
[onedocs]
ski = IMPLICIT:2,FORMAT:HEX,OCTETSTRING:$ski
[two]
docs = SEQUENCE:twodocs
text = SET:texts
[twodocs]
kind = IMPLICIT:0,PRINTABLESTRING:ID
[texts]
1 = SEQUENCE:text
[text]
words = PRINTABLESTRING:the country is written as UTF-8
kind = OID:2.23.136.1.1.7.1.2
X
openssl asn1parse -genconf dl.cnf -noout -out dl.der
sign dl.der 2.23.136.1.1.7 deviator > "$out/deviations.dl"
sign dl.der 2.23.136.1.1.7 lister > "$out/other-purpose.dl"

# Directories as the ICAO PKD writes them.
P=dc=data,dc=download,dc=pkd,dc=icao,dc=int
{
	echo 'version: 1'
	echo '# Invented: no real directory holds these.'
	echo
	printf 'dn: cn=Invented signer,o=dsc,c=VN,%s\nobjectClass: inetOrgPerson\nobjectClass: pkdDownload\nsn: 12\ncn: Invented signer\n' $P
	attribute 'userCertificate;binary' "$out/ds.der"
	printf 'pkdVersion: 7\n\n'
	printf 'dn: cn=Broken base64,o=dsc,c=VN,%s\nuserCertificate;binary:: MIIB*broken*\n\n' $P
	printf 'dn: cn=No certificate,o=dsc,c=VN,%s\n' $P
	attribute 'userCertificate;binary' junk.der
	echo
	printf 'this line is no attribute\n\n'
	printf 'dn: cn=By address,o=dsc,c=VN,%s\nuserCertificate;binary:< file:///nowhere\n\n' $P
	printf 'dn: cn=A CA,o=dsc,c=VN,%s\n' $P
	attribute 'userCertificate;binary' "$out/csca.cer"
	echo
	printf 'dn: cn=Invented CSCA,o=crl,c=VN,%s\nobjectClass: cRLDistributionPoint\n' $P
	attribute 'certificateRevocationList;binary' "$out/revoked.crl"
	echo
} > "$out/dsc.ldif"
{
	printf 'dn: cn=Cut,o=ml,c=LA,%s\n' $P
	attribute pkdMasterListContent "$out/cut.ml"
	printf '\ndn: cn=Invented,o=ml,c=VN,%s\nsn: 1\nobjectClass: pkdMasterList\n' $P
	attribute pkdMasterListContent "$out/within.ml"
	echo
} | sed 's/$/\r/' > "$out/ml.ldif"
{
	printf 'dn: cn=Invented CSCA,o=csca,c=VN\n'
	attribute 'cACertificate;binary' "$out/csca.cer"
	printf '\ndn: cn=Invented CSCA of Laos,o=csca,c=LA\n'
	attribute 'userCertificate;binary' "$out/laos.cer"
	printf '\ndn: cn=Another,o=csca,c=VN\n'
	attribute 'cACertificate;binary' "$out/link.cer"
} > "$out/csca.ldif"
printf 'dn: c=VN\nobjectClass: country\n\n' > "$out/empty.ldif"

# Several certificates in one text, one block broken, and a private key among others.
openssl x509 -in laos.pem > laos.txt
{ cat laos.txt; printf -- '-----BEGIN CERTIFICATE-----\nMIIB*\n-----END CERTIFICATE-----\n'; cat csca.pem; cat "$out/revoked.pem"; } > "$out/bundle.pem"
sed 's/Invented CSCA/Invented CSCa/' "$out/csca.cer" > "$out/damaged.cer"

# The files of an invented person, and the object with their hashes.
{
	printf 'asn1=SEQUENCE:o\n[o]\nv=INTEGER:0\na=SEQUENCE:a\nh=SEQUENCE:h\n[a]\no=OID:2.16.840.1.101.3.4.2.1\nn=NULL\n[h]\n'
	for n in 1 2 13; do printf 'd%s=SEQUENCE:d%s\n' $n $n; done
	for n in 1 2 13; do
		printf '[d%s]\nn=INTEGER:%s\nh=FORMAT:HEX,OCTETSTRING:%s\n' $n $n "$(openssl dgst -sha256 -r "$groups/DG$n.bin" | cut -d' ' -f1)"
	done
} > object.cnf
openssl asn1parse -genconf object.cnf -noout -out object.der
sod() { # signer file options
	s=$1 f=$2
	shift 2
	sign object.der 2.23.136.1.1.1 "$s" "$@" > sod.cms
	wrap 167 sod.cms > "$out/$f.sod"
}
for n in ds ds-revoked ds-ended ds-future ds-ended-revoked ds-future-revoked ds2 ds3 ds-taken ds-nocrl ds-old ds-forged ds-version1 ds-lister; do sod $n "${n#ds-}"; done
sod ds left-out -nocerts
sod ds-revoked revoked-with-csca -certfile csca.pem
sod ds-forged forged-with-csca -certfile forger.pem
