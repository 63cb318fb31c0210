package people

import "slices"

// IDs are the personas that have a face, those of icao/chip with a photo.
func IDs() []string {
	ids := make([]string, len(personas))
	for i, p := range personas {
		ids[i] = p.ID
	}
	return ids
}

// Named is the person of a persona's id.
func Named(id string) (Person, bool) {
	i := slices.IndexFunc(personas, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return Person{}, false
	}
	p := personas[i]
	p.Moles = slices.Clone(p.Moles)
	return p, true
}

// personas were given age, sex, colouring and hair by hand. The rest of their measurements was then changed at random, step by
// step, as long as that made the recogniser's likeness between any two portraits less, to 0.40 at most, and took nobody far from what
// people look like. TestRecognised holds what came out.
var personas = []Person{
	{ // 23 years old, Kinh, from Hà Nội
		ID: "an", Width: 1.01, Jaw: 0.89, Chin: 1.15, ChinLong: 0.72, ChinOut: -0.24, Forehead: 1, Flat: 0.97, CheekBone: 0.62, Cheek: 0.56,
		BrowRidge: 1.02, EyeApart: 3.14, EyeUp: -0.17, EyeWide: 1.01, EyeOpen: 0.89, EyeTilt: 0.47, EyeDeep: 0.75, EyeFold: 0.18, Iris: 1, IrisLight: 0.04,
		BrowUp: 0.02, BrowThick: 1.74, BrowArch: 0.99, BrowTilt: -0.04, BrowLong: 1.1, BrowDark: 1.05, NoseLong: -0.49, NoseWide: 1.05, NoseBridge: 0.72,
		NoseHump: -0.02, NoseTip: 1.18, NoseThin: 1.04, NoseUp: 0.36, MouthUp: -0.23, MouthWide: 1.18, LipUpper: 0.87, LipLower: 1.03, LipBow: 0.57,
		Smile: 0.2, Muzzle: 0.71, Skin: [3]float64{223, 177, 141}, Lips: [3]float64{176, 95, 84}, Hair: [3]float64{26, 21, 20},
		Cloth: [3]float64{60, 84, 130}, Red: 0.81, Rough: 0.7, Age: 0.01, Stubble: 0.16, Moles: []Mole{{5, -1.5, 0.16}}, Hairline: 5.72, Temples: 0.01,
		Fringe: 0.25, FringeTo: 1, HairThick: 1, Collar: "shirt", Seed: 1,
	},
	{ // 38, Kinh, from Hồ Chí Minh City
		ID: "binh", Width: 1.08, Jaw: 0.9, Chin: 0.82, ChinLong: 0.58, ChinOut: 0.16, Forehead: 1.02, Flat: 1.13, CheekBone: 1.48, Cheek: 0.93,
		BrowRidge: 0.86, EyeApart: 2.84, EyeUp: 0.23, EyeWide: 1.07, EyeOpen: 1.16, EyeTilt: -0.05, EyeDeep: 0.76, EyeFold: 1.1, EyeBag: 0.05, Iris: 0.99,
		BrowUp: 0.5, BrowThick: 0.5, BrowArch: 1.51, BrowTilt: 0.09, BrowLong: 1.07, BrowDark: 0.81, BrowApart: 0.42, NoseLong: -0.6, NoseWide: 0.72,
		NoseBridge: 0.7, NoseHump: -0.12, NoseTip: 0.89, NoseThin: 0.98, NoseUp: 0.2, MouthUp: -0.06, MouthWide: 0.97, LipUpper: 1.31, LipLower: 0.99,
		LipBow: 0.97, Smile: 0.2, Muzzle: 0.71, Skin: [3]float64{234, 192, 162}, Lips: [3]float64{182, 85, 100}, Hair: [3]float64{26, 21, 20},
		Cloth: [3]float64{150, 60, 80}, Red: 0.61, Rough: 1.48, Freckles: 0.05, Hairline: 5.98, FringeTo: -0.05, HairThick: 1, HairLong: 0.9, Parting: 0.3,
		Collar: "v", Slight: true, Seed: 2,
	},
	{ // 49, Kinh, from Đà Nẵng
		ID: "cuong", Width: 1.05, Jaw: 1.09, Chin: 1.15, ChinLong: 0.25, ChinOut: -0.06, Forehead: 1, Flat: 1.2, CheekBone: 1, Cheek: 0.46, BrowRidge: 0.82,
		EyeApart: 3.13, EyeUp: -0.07, EyeWide: 0.9, EyeOpen: 0.76, EyeTilt: -0.13, EyeDeep: 1.08, EyeBag: 0.42, Iris: 1.09, IrisLight: 0.03, BrowUp: 0.16,
		BrowThick: 1.19, BrowArch: 1.49, BrowTilt: 0.1, BrowLong: 1.03, BrowDark: 1.11, BrowApart: 0.43, NoseLong: 0.45, NoseWide: 1.44, NoseBridge: 1.15,
		NoseHump: 0.98, NoseTip: 0.81, NoseThin: 1.06, NoseUp: 0.1, MouthUp: -0.38, MouthWide: 1.12, LipUpper: 0.48, LipLower: 1, LipBow: 1.53, Smile: 0.2,
		Muzzle: 1.05, Skin: [3]float64{198, 149, 112}, Lips: [3]float64{190, 118, 91}, Hair: [3]float64{26, 21, 20}, Cloth: [3]float64{96, 96, 88}, Red: 1,
		Rough: 0.85, Age: 0.67, Stubble: 0.81, Freckles: 0.03, Moles: []Mole{{2.35, -3.7, 0.13}}, Hairline: 7.07, Temples: 0.89, FringeTo: 0.01,
		HairThick: 1, Grey: 0.3, Collar: "shirt", Seed: 3,
	},
	{ // 30, Kinh, from Hải Phòng
		ID: "dung", Width: 0.9, Jaw: 0.93, Chin: 0.8, ChinLong: -0.07, Forehead: 0.99, Flat: 1.1, CheekBone: 0.76, Cheek: -0.25, BrowRidge: 1, EyeApart: 3,
		EyeUp: 0.18, EyeWide: 1.04, EyeOpen: 0.91, EyeTilt: 0.3, EyeDeep: 1.01, EyeFold: 0.2, Iris: 1, IrisLight: 0.02, BrowUp: 0.35, BrowThick: 0.69,
		BrowArch: 0.6, BrowTilt: 0.26, BrowLong: 0.98, BrowDark: 0.8, BrowApart: 0.17, NoseLong: 0.67, NoseWide: 0.84, NoseBridge: 0.88, NoseHump: 0.22,
		NoseTip: 1.09, NoseThin: 0.85, NoseUp: -0.14, MouthUp: 0.38, MouthWide: 0.88, LipUpper: 1.1, LipLower: 0.66, LipBow: 0.91, Smile: 0.2, Muzzle: 1.09,
		Skin: [3]float64{238, 205, 178}, Lips: [3]float64{197, 97, 107}, Hair: [3]float64{26, 21, 20}, Cloth: [3]float64{40, 110, 100}, Red: 1.06,
		Rough: 1.1, Hairline: 6.2, Fringe: 0.69, FringeTo: -0.96, HairThick: 1, HairBun: true, Collar: "round", Slight: true, Seed: 4,
	},
	{ // 33, Khmer, from Cần Thơ
		ID: "giang", Width: 1.1, Jaw: 1.17, Chin: 1.06, ChinLong: 0.35, ChinOut: -0.14, Forehead: 0.98, Flat: 0.98, CheekBone: 0.92, Cheek: -0.27,
		BrowRidge: 1.81, EyeApart: 3.15, EyeUp: -0.04, EyeWide: 1.18, EyeOpen: 1.09, EyeTilt: -0.13, EyeDeep: 1.27, EyeFold: 1.2, EyeBag: 0.01, Iris: 1,
		IrisLight: 0.01, BrowUp: -0.32, BrowThick: 1.76, BrowArch: 0.61, BrowTilt: -0.16, BrowLong: 0.86, BrowDark: 0.96, BrowApart: -0.44, NoseLong: -0.05,
		NoseWide: 1.32, NoseBridge: 0.72, NoseHump: -0.19, NoseTip: 1.04, NoseThin: 1.02, NoseUp: 0.22, MouthUp: -0.09, MouthWide: 1.02, LipUpper: 1.57,
		LipLower: 1.02, LipBow: 1.15, Smile: 0.2, Muzzle: 1, Skin: [3]float64{141, 93, 63}, Lips: [3]float64{156, 80, 73}, Hair: [3]float64{26, 21, 20},
		Cloth: [3]float64{176, 140, 70}, Red: 1.11, Rough: 1.12, Freckles: 0.18, Moles: []Mole{{-3.5, -9.3, 0.15}}, Hairline: 5.69, Fringe: 0.02,
		FringeTo: 0.31, HairThick: 1, Collar: "round", Seed: 5,
	},
	{ // 66, Kinh, from Nam Định
		ID: "hoa", Width: 0.91, Jaw: 0.89, Chin: 1.01, ChinLong: 0.64, ChinOut: -0.01, Forehead: 1, Flat: 0.97, CheekBone: 1.04, Cheek: -0.71,
		BrowRidge: 1.25, EyeApart: 3.46, EyeUp: -0.03, EyeWide: 0.94, EyeOpen: 0.86, EyeTilt: -0.02, EyeDeep: 0.53, EyeFold: 0.4, EyeBag: 1, Iris: 0.93,
		IrisLight: 0.05, BrowUp: -0.14, BrowThick: 0.5, BrowArch: 0.96, BrowTilt: -0.1, BrowLong: 0.93, BrowDark: 0.68, BrowApart: -0.28, NoseLong: 0.19,
		NoseWide: 1.09, NoseBridge: 0.44, NoseHump: 0.01, NoseTip: 1.05, NoseThin: 0.87, NoseUp: -0.04, MouthUp: -0.1, MouthWide: 0.84, LipUpper: 0.4,
		LipLower: 0.74, LipBow: 1.26, Smile: 0.33, Muzzle: 0.75, Skin: [3]float64{197, 155, 123}, Lips: [3]float64{166, 99, 104},
		Hair: [3]float64{26, 21, 20}, Cloth: [3]float64{110, 70, 110}, Red: 1.05, Rough: 1.24, Age: 1, Freckles: 0.03, Hairline: 6.87, FringeTo: 0.41,
		HairThick: 1, HairLong: 0.25, Parting: -0.25, Grey: 0.85, Collar: "round", Slight: true, Seed: 6,
	},
	{ // 23, Tày, from Bắc Giang
		ID: "lan", Width: 1.02, Jaw: 0.96, Chin: 0.74, ChinLong: -0.22, ChinOut: -0.06, Forehead: 1.06, Flat: 1.11, CheekBone: 1.32, Cheek: 0.07,
		BrowRidge: 0.35, EyeApart: 3.13, EyeUp: -0.24, EyeWide: 1.14, EyeOpen: 1.25, EyeTilt: 0.12, EyeDeep: 1.26, EyeFold: 1.01, Iris: 1.08,
		IrisLight: 0.01, BrowUp: -0.07, BrowThick: 0.83, BrowArch: 0.65, BrowTilt: 0.02, BrowLong: 1, BrowDark: 0.6, BrowApart: 0.03, NoseLong: -0.8,
		NoseWide: 0.95, NoseBridge: 0.52, NoseHump: 0.44, NoseTip: 0.88, NoseThin: 1, NoseUp: 0.3, MouthUp: 0.03, MouthWide: 0.78, LipUpper: 0.67,
		LipLower: 1.24, LipBow: 1.07, Smile: 0.6, Muzzle: 0.66, Skin: [3]float64{227, 184, 156}, Lips: [3]float64{220, 110, 102},
		Hair: [3]float64{26, 21, 20}, Cloth: [3]float64{50, 60, 140}, Red: 0.99, Rough: 1.18, Freckles: 0.08, Moles: []Mole{{0.6, -10.2, 0.12}},
		Hairline: 5.4, Fringe: 0.9, FringeTo: -0.14, HairThick: 1, HairLong: 1, Collar: "round", Slight: true, Seed: 7,
	},
}
