package lds

// Status is what a check came to. The values go over the wire and are frozen.
type Status string

// The five statuses. Each but Passed comes with a Reason.
const (
	Passed        Status = "passed"
	Failed        Status = "failed"
	NotVerifiable Status = "not_verifiable" // nothing to say either way: no anchor, or too little to judge by
	NotPresent    Status = "not_present"    // the card has no such feature
	NotDone       Status = "not_done"       // refused, switched off, or not reached
)

// Reason is the frozen id of why a verdict is not Passed. The catalogue has a Vietnamese and an English text for each.
type Reason string

// Reasons of verdicts.
const (
	// Passive authentication, in the order of precedence in which they are reported.
	ReasonMalformed          Reason = "MALFORMED"
	ReasonHashMismatch       Reason = "HASH_MISMATCH"
	ReasonNotListed          Reason = "DATA_GROUP_NOT_LISTED" // a file was read that the EF.SOD does not list
	ReasonSignatureInvalid   Reason = "SIGNATURE_INVALID"
	ReasonSignerAmbiguous    Reason = "SIGNER_AMBIGUOUS" // several signers or certificates, and none is the signer beyond doubt
	ReasonCountryMismatch    Reason = "COUNTRY_MISMATCH" // signer's country is not the issuing state of DG1
	ReasonAlgorithmUnknown   Reason = "ALGORITHM_UNKNOWN"
	ReasonWeakAlgorithm      Reason = "WEAK_ALGORITHM" // SHA-1: a warning, or why it failed where the hospital's profile says so
	ReasonKeyUsage           Reason = "KEY_USAGE"      // the certificate may not be used for what it was used for
	ReasonRevoked            Reason = "REVOKED"
	ReasonSignerNotAnchored  Reason = "SIGNER_NOT_ANCHORED"
	ReasonNotYetValid        Reason = "NOT_YET_VALID"
	ReasonExpired            Reason = "EXPIRED"
	ReasonNoSOD              Reason = "NO_SOD"
	ReasonIdentityIncomplete Reason = "IDENTITY_INCOMPLETE"

	// Chip and active authentication.
	ReasonKeyNotAnchored    Reason = "KEY_NOT_ANCHORED" // the exchange says nothing, for a forger signs his own key
	ReasonKeyNotBound       Reason = "KEY_NOT_BOUND"    // the chip proved a key that its state signed, and that nothing ties to this document
	ReasonChipAuthFailed    Reason = "CHIP_AUTH_FAILED"
	ReasonActiveAuthFailed  Reason = "ACTIVE_AUTH_FAILED"
	ReasonResponseTooLong   Reason = "RESPONSE_TOO_LONG" // the answer fits neither a short nor an extended response
	ReasonUnsupported       Reason = "UNSUPPORTED"       // the card asks for an algorithm that we do not speak
	ReasonWeakKey           Reason = "WEAK_KEY"
	ReasonRefusedByCard     Reason = "REFUSED_BY_CARD"
	ReasonFeatureAbsent     Reason = "FEATURE_ABSENT"
	ReasonNotReached        Reason = "NOT_REACHED"
	ReasonSwitchedOff       Reason = "SWITCHED_OFF"
	ReasonFileUnreadable    Reason = "FILE_UNREADABLE"
	ReasonPassiveAuthFailed Reason = "PASSIVE_AUTH_FAILED" // the key's file does not match the signed hashes
	ReasonNoAccessControl   Reason = "NO_ACCESS_CONTROL"
	ReasonAccessAltered     Reason = "ACCESS_ALTERED"    // warning: EF.CardAccess, which nobody signs, does not say what the signed DG14 says
	ReasonDG13Differs       Reason = "DG13_DIFFERS"      // warning: Vietnam's DG13 says something else of the person than DG1
	ReasonHashNotNamed      Reason = "AA_HASH_NOT_NAMED" // warning: the card does not say with which hash it signs, and all that the standard allows were tried
	ReasonQRMangled         Reason = "QR_MANGLED"        // warning: the scanned text was changed on its way, and only the number is used
	ReasonKeyRejected       Reason = "KEY_REJECTED"
	ReasonKeyUnsuitable     Reason = "KEY_UNSUITABLE"
	ReasonAccessFailed      Reason = "ACCESS_FAILED"
	ReasonMRZCheckDigit     Reason = "MRZ_CHECK_DIGIT"       // warning: a check digit of DG1 does not fit
	ReasonCRLStale          Reason = "REVOCATION_LIST_STALE" // warning: the CSCA's revocation list that we have is past its time
	ReasonDeviation         Reason = "KNOWN_DEVIATION"       // warning: the state has published a deviation for this signer

	// Validity, key against chip, face.
	ReasonDocumentExpired   Reason = "DOCUMENT_EXPIRED"
	ReasonNoExpiryDate      Reason = "NO_EXPIRY_DATE"
	ReasonNothingToCompare  Reason = "NOTHING_TO_COMPARE"
	ReasonKeyDiffersFromDoc Reason = "KEY_DIFFERS_FROM_CHIP"
	ReasonMeansIsNotChip    Reason = "MEANS_IS_NOT_CHIP"

	// The living face against the chip's photo.
	ReasonNoChipPhoto         Reason = "NO_CHIP_PHOTO"
	ReasonChipPhotoPoor       Reason = "CHIP_PHOTO_POOR"
	ReasonChipPhotoUnreadable Reason = "CHIP_PHOTO_UNREADABLE"
	ReasonNoLivePicture       Reason = "NO_LIVE_PICTURE"
	ReasonNoMatch             Reason = "NO_MATCH" // the living face is not the photo's
	ReasonLivePicturePoor     Reason = "LIVE_PICTURE_POOR"
	ReasonScoreInBetween      Reason = "SCORE_IN_BETWEEN"
	ReasonOtherFace           Reason = "OTHER_FACE"
	ReasonAttackCheckFailed   Reason = "ATTACK_CHECK_FAILED"
	ReasonChallengeNotMet     Reason = "CHALLENGE_NOT_MET" // these are of the attack check
	ReasonChallengeRunning    Reason = "CHALLENGE_RUNNING"
	ReasonFlatPicture         Reason = "FLAT_PICTURE"
	ReasonFramesRepeated      Reason = "FRAMES_REPEATED"
	ReasonTooFewFrames        Reason = "TOO_FEW_FRAMES"
	ReasonAttackCheckOff      Reason = "ATTACK_CHECK_OFF"
	ReasonConsentRefused      Reason = "CONSENT_REFUSED"
	ReasonConsentMissing      Reason = "CONSENT_MISSING"
	ReasonModelsMissing       Reason = "MODELS_MISSING"
	ReasonDecoderFailed       Reason = "DECODER_FAILED"
	ReasonFaceBusy            Reason = "FACE_BUSY" // too many faces are compared at the same time
	ReasonChild               Reason = "CHILD"     // a photo of a child ages fast, so a person looks
	ReasonSkippedByOperator   Reason = "SKIPPED_BY_OPERATOR"
)

// Basis says on what a comparison with the chip's data stands.
type Basis string

// Anchored data are signed by a signer that chains to a trusted CSCA or is pinned; unanchored data are only consistent in themselves.
const (
	Anchored   Basis = "anchored"
	Unanchored Basis = "unanchored"
)

// AccessVerdict tells how the chip was opened (ICAO 9303-11 §4). Never a secret: Key and KeyFrom are kinds.
type AccessVerdict struct {
	Status   Status  `json:"status"`
	Reason   Reason  `json:"reason,omitempty"`
	Protocol string  `json:"protocol,omitempty"` // "PACE" or "BAC"
	Detail   string  `json:"detail,omitempty"`   // for instance "ECDH-GM AES-128 brainpoolP256r1"
	Key      KeyKind `json:"key,omitempty"`      // what opened it
	KeyFrom  KeyFrom `json:"keyFrom,omitempty"`  // where that came from
	// Fallback is the protocol that was offered and not used, with why: a downgrade is never silent.
	Fallback string `json:"fallback,omitempty"`
}

// Signer is the certificate that signed the EF.SOD.
type Signer struct {
	Subject    string `json:"subject"`
	Issuer     string `json:"issuer,omitempty"`
	SHA256     string `json:"sha256"` // of the DER certificate, lower-case hex
	SeenBefore *int   `json:"seenBefore,omitempty"`
	NotBefore  string `json:"notBefore,omitempty"` // RFC 3339
	NotAfter   string `json:"notAfter,omitempty"`
	SignedAt   string `json:"signedAt,omitempty"` // the signing time that the signer states, if any
}

// Anchor is what a signer was traced to.
type Anchor struct {
	Kind    string `json:"kind"` // "csca" or "pinned"
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"`
	Source  string `json:"source"` // the list or file that it was imported from
	// Links are the SHA-256 of the CSCA certificates that lead to a link certificate, the self-signed one last.
	Links []string `json:"links,omitempty"`
}

// PassiveVerdict is the outcome of passive authentication (ICAO 9303-11 §5.1).
type PassiveVerdict struct {
	Status   Status   `json:"status"`
	Reason   Reason   `json:"reason,omitempty"`
	Detail   string   `json:"detail,omitempty"` // English, for IT and auditors; never personal
	Signer   *Signer  `json:"signer,omitempty"`
	Anchor   *Anchor  `json:"anchor,omitempty"`
	Checked  []FileID `json:"checked,omitempty"` // files whose hash was compared
	Warnings []Reason `json:"warnings,omitempty"`
}

// ExchangeVerdict is the outcome of chip or active authentication (ICAO 9303-11 §6). Exchange is what happened between
// card and reader, whatever the status says about what that proves.
type ExchangeVerdict struct {
	Status    Status `json:"status"`
	Reason    Reason `json:"reason,omitempty"`
	Exchange  Status `json:"exchange,omitempty"`
	Protocol  string `json:"protocol,omitempty"`
	Challenge string `json:"challenge,omitempty"` // active authentication: "self_issued" or "given"
}

// BasisVerdict is a check against the chip's own data.
type BasisVerdict struct {
	Status   Status   `json:"status"`
	Reason   Reason   `json:"reason,omitempty"`
	Basis    Basis    `json:"basis,omitempty"`
	Compared []string `json:"compared,omitempty"` // names of the identity fields that were compared
	Differs  []string `json:"differs,omitempty"`  // those of them that differ
}

// Verdicts is everything that was judged about one card.
type Verdicts struct {
	Access                AccessVerdict   `json:"access"`
	PassiveAuthentication PassiveVerdict  `json:"passiveAuthentication"`
	ChipAuthentication    ExchangeVerdict `json:"chipAuthentication"`
	ActiveAuthentication  ExchangeVerdict `json:"activeAuthentication"`
	DocumentValidity      BasisVerdict    `json:"documentValidity"`
	KeyMatchesChip        BasisVerdict    `json:"keyMatchesChip"`
}
