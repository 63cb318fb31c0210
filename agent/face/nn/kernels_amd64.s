#include "textflag.h"

// Rows times packed weights. The sums of a tile stay in registers over all of k; in the end bias and what is to be added come
// to them, and what is negative is multiplied by its slope. Strides of rows are in bytes.
//
// Registers: AX, CX rows 0 and 3 of a, BX their stride; SI weights; DX count; DI row of c, R8 its stride; R9 bias, R10 slope,
// R11 what is added, or 0.

// WRITE multiplies what is negative with its slope, by picking on the sign bit, and writes it. Y15 is the products.
#define WRITE(s, slope, to) \
	VMULPS slope, s, Y15; \
	VBLENDVPS s, Y15, s, s; \
	VMOVUPS s, to

#define WRITE16(s0, s1) \
	WRITE(s0, Y12, (DI)); \
	WRITE(s1, Y13, 32(DI)); \
	ADDQ R8, DI

#define WRITE8(s0) \
	WRITE(s0, Y12, (DI)); \
	ADDQ R8, DI

// func rows6x16(k int, a *float32, lda int, b, c *float32, ldc int, bias, slope, res *float32)
TEXT ·rows6x16(SB), NOSPLIT, $0-72
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), SI
	MOVQ c+32(FP), DI
	MOVQ ldc+40(FP), R8
	MOVQ bias+48(FP), R9
	MOVQ slope+56(FP), R10
	MOVQ res+64(FP), R11
	LEAQ (AX)(BX*2), CX
	ADDQ BX, CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

loop:
	VMOVUPS (SI), Y12
	VMOVUPS 32(SI), Y13
	VBROADCASTSS (AX), Y14
	VBROADCASTSS (AX)(BX*1), Y15
	VFMADD231PS Y12, Y14, Y0
	VFMADD231PS Y13, Y14, Y1
	VFMADD231PS Y12, Y15, Y2
	VFMADD231PS Y13, Y15, Y3
	VBROADCASTSS (AX)(BX*2), Y14
	VBROADCASTSS (CX), Y15
	VFMADD231PS Y12, Y14, Y4
	VFMADD231PS Y13, Y14, Y5
	VFMADD231PS Y12, Y15, Y6
	VFMADD231PS Y13, Y15, Y7
	VBROADCASTSS (CX)(BX*1), Y14
	VBROADCASTSS (CX)(BX*2), Y15
	VFMADD231PS Y12, Y14, Y8
	VFMADD231PS Y13, Y14, Y9
	VFMADD231PS Y12, Y15, Y10
	VFMADD231PS Y13, Y15, Y11
	ADDQ $64, SI
	ADDQ $4, AX
	ADDQ $4, CX
	DECQ DX
	JNZ loop

	VMOVUPS (R9), Y12
	VMOVUPS 32(R9), Y13
	VADDPS Y12, Y0, Y0
	VADDPS Y13, Y1, Y1
	VADDPS Y12, Y2, Y2
	VADDPS Y13, Y3, Y3
	VADDPS Y12, Y4, Y4
	VADDPS Y13, Y5, Y5
	VADDPS Y12, Y6, Y6
	VADDPS Y13, Y7, Y7
	VADDPS Y12, Y8, Y8
	VADDPS Y13, Y9, Y9
	VADDPS Y12, Y10, Y10
	VADDPS Y13, Y11, Y11
	TESTQ R11, R11
	JZ act
	VADDPS (R11), Y0, Y0
	VADDPS 32(R11), Y1, Y1
	ADDQ R8, R11
	VADDPS (R11), Y2, Y2
	VADDPS 32(R11), Y3, Y3
	ADDQ R8, R11
	VADDPS (R11), Y4, Y4
	VADDPS 32(R11), Y5, Y5
	ADDQ R8, R11
	VADDPS (R11), Y6, Y6
	VADDPS 32(R11), Y7, Y7
	ADDQ R8, R11
	VADDPS (R11), Y8, Y8
	VADDPS 32(R11), Y9, Y9
	ADDQ R8, R11
	VADDPS (R11), Y10, Y10
	VADDPS 32(R11), Y11, Y11

act:
	VMOVUPS (R10), Y12
	VMOVUPS 32(R10), Y13
	WRITE16(Y0, Y1)
	WRITE16(Y2, Y3)
	WRITE16(Y4, Y5)
	WRITE16(Y6, Y7)
	WRITE16(Y8, Y9)
	WRITE16(Y10, Y11)
	VZEROUPPER
	RET

// func rows6x8(k int, a *float32, lda int, b, c *float32, ldc int, bias, slope, res *float32)
TEXT ·rows6x8(SB), NOSPLIT, $0-72
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), SI
	MOVQ c+32(FP), DI
	MOVQ ldc+40(FP), R8
	MOVQ bias+48(FP), R9
	MOVQ slope+56(FP), R10
	MOVQ res+64(FP), R11
	LEAQ (AX)(BX*2), CX
	ADDQ BX, CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5

loop:
	VMOVUPS (SI), Y12
	VBROADCASTSS (AX), Y6
	VBROADCASTSS (AX)(BX*1), Y7
	VBROADCASTSS (AX)(BX*2), Y8
	VBROADCASTSS (CX), Y9
	VBROADCASTSS (CX)(BX*1), Y10
	VBROADCASTSS (CX)(BX*2), Y11
	VFMADD231PS Y12, Y6, Y0
	VFMADD231PS Y12, Y7, Y1
	VFMADD231PS Y12, Y8, Y2
	VFMADD231PS Y12, Y9, Y3
	VFMADD231PS Y12, Y10, Y4
	VFMADD231PS Y12, Y11, Y5
	ADDQ $32, SI
	ADDQ $4, AX
	ADDQ $4, CX
	DECQ DX
	JNZ loop

	VMOVUPS (R9), Y12
	VADDPS Y12, Y0, Y0
	VADDPS Y12, Y1, Y1
	VADDPS Y12, Y2, Y2
	VADDPS Y12, Y3, Y3
	VADDPS Y12, Y4, Y4
	VADDPS Y12, Y5, Y5
	TESTQ R11, R11
	JZ act
	VADDPS (R11), Y0, Y0
	ADDQ R8, R11
	VADDPS (R11), Y1, Y1
	ADDQ R8, R11
	VADDPS (R11), Y2, Y2
	ADDQ R8, R11
	VADDPS (R11), Y3, Y3
	ADDQ R8, R11
	VADDPS (R11), Y4, Y4
	ADDQ R8, R11
	VADDPS (R11), Y5, Y5

act:
	VMOVUPS (R10), Y12
	WRITE8(Y0)
	WRITE8(Y1)
	WRITE8(Y2)
	WRITE8(Y3)
	WRITE8(Y4)
	WRITE8(Y5)
	VZEROUPPER
	RET

// func rows1x16(k int, a *float32, b, c, bias, slope, res *float32)
TEXT ·rows1x16(SB), NOSPLIT, $0-56
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ b+16(FP), SI
	MOVQ c+24(FP), DI
	MOVQ bias+32(FP), R9
	MOVQ slope+40(FP), R10
	MOVQ res+48(FP), R11
	XORQ R8, R8
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1

loop:
	VBROADCASTSS (AX), Y14
	VFMADD231PS (SI), Y14, Y0
	VFMADD231PS 32(SI), Y14, Y1
	ADDQ $64, SI
	ADDQ $4, AX
	DECQ DX
	JNZ loop

	VADDPS (R9), Y0, Y0
	VADDPS 32(R9), Y1, Y1
	TESTQ R11, R11
	JZ act
	VADDPS (R11), Y0, Y0
	VADDPS 32(R11), Y1, Y1

act:
	VMOVUPS (R10), Y12
	VMOVUPS 32(R10), Y13
	WRITE16(Y0, Y1)
	VZEROUPPER
	RET

// func rows1x8(k int, a *float32, b, c, bias, slope, res *float32)
TEXT ·rows1x8(SB), NOSPLIT, $0-56
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ b+16(FP), SI
	MOVQ c+24(FP), DI
	MOVQ bias+32(FP), R9
	MOVQ slope+40(FP), R10
	MOVQ res+48(FP), R11
	XORQ R8, R8
	VXORPS Y0, Y0, Y0

loop:
	VBROADCASTSS (AX), Y14
	VFMADD231PS (SI), Y14, Y0
	ADDQ $32, SI
	ADDQ $4, AX
	DECQ DX
	JNZ loop

	VADDPS (R9), Y0, Y0
	TESTQ R11, R11
	JZ act
	VADDPS (R11), Y0, Y0

act:
	VMOVUPS (R10), Y12
	WRITE8(Y0)
	VZEROUPPER
	RET

// Depthwise: for each of n pixels, for 32 and then 8 channels at a time, the sum over all taps.
//
// Registers: DI pixel of out, R8 its width in bytes; SI pixel of in, R9 the step to the next; R10 taps, R11 their count; R12
// weights, R13 bias; BX channel in bytes.

// func taps8(out *float32, width, n int, in *float32, step int, taps *tap, count int, w, bias, slope *float32)
TEXT ·taps8(SB), NOSPLIT, $0-80
	MOVQ out+0(FP), DI
	MOVQ width+8(FP), R8
	SHLQ $2, R8
	MOVQ in+24(FP), SI
	MOVQ step+32(FP), R9
	MOVQ taps+40(FP), R10
	MOVQ count+48(FP), R11
	MOVQ w+56(FP), R12
	MOVQ bias+64(FP), R13

pixel:
	XORQ BX, BX

wide:
	LEAQ 128(BX), AX
	CMPQ AX, R8
	JGT narrow
	VMOVUPS (R13)(BX*1), Y0
	VMOVUPS 32(R13)(BX*1), Y1
	VMOVUPS 64(R13)(BX*1), Y2
	VMOVUPS 96(R13)(BX*1), Y3
	MOVQ R10, DX
	MOVQ R11, CX

wideTap:
	MOVQ (DX), AX
	LEAQ (SI)(AX*4), AX
	VMOVUPS (AX)(BX*1), Y4
	VMOVUPS 32(AX)(BX*1), Y5
	VMOVUPS 64(AX)(BX*1), Y6
	VMOVUPS 96(AX)(BX*1), Y7
	MOVQ 8(DX), AX
	LEAQ (R12)(AX*4), AX
	VFMADD231PS (AX)(BX*1), Y4, Y0
	VFMADD231PS 32(AX)(BX*1), Y5, Y1
	VFMADD231PS 64(AX)(BX*1), Y6, Y2
	VFMADD231PS 96(AX)(BX*1), Y7, Y3
	ADDQ $16, DX
	DECQ CX
	JNZ wideTap
	MOVQ slope+72(FP), AX
	VMOVUPS (AX)(BX*1), Y12
	WRITE(Y0, Y12, (DI)(BX*1))
	VMOVUPS 32(AX)(BX*1), Y12
	WRITE(Y1, Y12, 32(DI)(BX*1))
	VMOVUPS 64(AX)(BX*1), Y12
	WRITE(Y2, Y12, 64(DI)(BX*1))
	VMOVUPS 96(AX)(BX*1), Y12
	WRITE(Y3, Y12, 96(DI)(BX*1))
	ADDQ $128, BX
	JMP wide

narrow:
	CMPQ BX, R8
	JGE next
	VMOVUPS (R13)(BX*1), Y0
	MOVQ R10, DX
	MOVQ R11, CX

narrowTap:
	MOVQ (DX), AX
	LEAQ (SI)(AX*4), AX
	VMOVUPS (AX)(BX*1), Y4
	MOVQ 8(DX), AX
	LEAQ (R12)(AX*4), AX
	VFMADD231PS (AX)(BX*1), Y4, Y0
	ADDQ $16, DX
	DECQ CX
	JNZ narrowTap
	MOVQ slope+72(FP), AX
	VMOVUPS (AX)(BX*1), Y12
	WRITE(Y0, Y12, (DI)(BX*1))
	ADDQ $32, BX
	JMP narrow

next:
	ADDQ R8, DI
	ADDQ R9, SI
	MOVQ n+16(FP), AX
	DECQ AX
	MOVQ AX, n+16(FP)
	JNZ pixel
	VZEROUPPER
	RET
