package people

// Person is what a head is built of. Lengths are in cm where they say so, and otherwise factors around 1 or strengths around 0.
// The zero value is nobody: start from Average.
type Person struct {
	ID string

	// The skull, seen from the front.
	Width     float64 // of all
	Jaw       float64 // width of its angles
	Chin      float64 // width
	ChinLong  float64 // cm that the chin lies lower
	ChinOut   float64 // how far it stands out
	Forehead  float64 // width of the upper head
	Flat      float64 // of the face: 1 is round, more is flatter
	CheekBone float64 // strength
	Cheek     float64 // fullness, negative is hollow
	BrowRidge float64

	EyeApart  float64 // cm from the middle to a pupil
	EyeUp     float64 // cm
	EyeWide   float64
	EyeOpen   float64
	EyeTilt   float64 // cm by which the outer corner is higher
	EyeDeep   float64
	EyeFold   float64 // the crease above the lid: 0 is none
	EyeBag    float64
	Iris      float64 // size
	IrisLight float64 // 0 is black-brown

	BrowUp, BrowThick, BrowArch, BrowTilt, BrowLong, BrowDark, BrowApart float64

	NoseLong   float64 // cm longer
	NoseWide   float64
	NoseBridge float64 // height between the eyes
	NoseHump   float64
	NoseTip    float64 // how far it stands out
	NoseThin   float64 // breadth of the bridge
	NoseUp     float64 // cm by which the tip is lifted

	MouthUp, MouthWide, LipUpper, LipLower, LipBow, Smile, Muzzle float64

	Skin, Lips, Hair, Cloth [3]float64 // 0 to 255, as they would be in even light
	Red                     float64    // of the cheeks
	Rough                   float64    // of the skin
	Age                     float64    // 0 to 1: folds
	Stubble, Moustache      float64
	Beard                   float64
	Freckles                float64
	Moles                   []Mole

	Hairline  float64 // cm above the eyes
	Temples   float64 // how far it recedes beside
	Fringe    float64 // 0 is none, 1 hides the forehead
	FringeTo  float64 // side to which it falls, -1 to 1
	HairThick float64
	HairLong  float64 // 0 is short, 1 lies on the shoulders
	HairBun   bool
	Parting   float64 // side of it, -1 to 1
	Grey      float64
	Glasses   bool
	Collar    string // "shirt", "round", "v"
	Slight    bool   // narrow neck and shoulders

	Seed int // of what is left to chance
}

// Mole is a dark spot: cm from the middle and from the line of the eyes, to the person's own left and up.
type Mole struct{ X, Y, R float64 }

// Average is the head that all others are made of.
func Average() Person {
	return Person{
		Width: 1, Jaw: 1, Chin: 1, Forehead: 1, Flat: 1.1, CheekBone: 1, BrowRidge: 1,
		EyeApart: 3.15, EyeWide: 1, EyeOpen: 1, EyeTilt: 0.12, EyeDeep: 1, EyeFold: 0.5, Iris: 1,
		BrowThick: 1, BrowArch: 1, BrowLong: 1, BrowDark: 1,
		NoseWide: 1, NoseBridge: 1, NoseTip: 1, NoseThin: 1,
		MouthWide: 1, LipUpper: 1, LipLower: 1, LipBow: 1, Smile: 0.15, Muzzle: 1,
		Skin: [3]float64{222, 178, 146}, Lips: [3]float64{188, 104, 98}, Hair: [3]float64{26, 21, 20}, Cloth: [3]float64{70, 92, 130},
		Red: 1, Rough: 1, Hairline: 6.2, HairThick: 1, Collar: "round",
	}
}
