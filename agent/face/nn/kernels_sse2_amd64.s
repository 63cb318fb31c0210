#include "textflag.h"

// The kernels of kernels_amd64.s for processors without AVX2: four numbers at a time, and a multiplication and an addition where those
// have one instruction for both. Registers are the same.

// FINISH adds the bias (X12, X13) to a row of eight sums and multiplies what is negative with its slope (X14, X15); what is to be added has been.
#define FINISH(s0, s1) \
	ADDPS X12, s0; \
	ADDPS X13, s1; \
	XORPS X10, X10; \
	XORPS X11, X11; \
	MINPS s0, X10; \
	MINPS s1, X11; \
	MULPS X14, X10; \
	MULPS X15, X11; \
	XORPS X8, X8; \
	MAXPS X8, s0; \
	MAXPS X8, s1; \
	ADDPS X10, s0; \
	ADDPS X11, s1; \
	MOVUPS s0, (DI); \
	MOVUPS s1, 16(DI)

// ADDROW adds eight numbers at R11.
#define ADDROW(s0, s1) \
	MOVUPS (R11), X8; \
	MOVUPS 16(R11), X9; \
	ADDPS X8, s0; \
	ADDPS X9, s1

// TIMES adds a number of a, times eight weights in X8 and X9, to a row of sums.
#define TIMES(a, s0, s1) \
	MOVSS a, X10; \
	SHUFPS $0, X10, X10; \
	MOVAPS X10, X11; \
	MULPS X8, X10; \
	MULPS X9, X11; \
	ADDPS X10, s0; \
	ADDPS X11, s1

// func rows4x8(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, bias, slope, res *float32)
TEXT ·rows4x8(SB), NOSPLIT, $0-80
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), SI
	MOVQ ldb+32(FP), R12
	MOVQ c+40(FP), DI
	MOVQ ldc+48(FP), R8
	MOVQ bias+56(FP), R9
	MOVQ slope+64(FP), R10
	MOVQ res+72(FP), R11
	LEAQ (AX)(BX*2), CX
	XORPS X0, X0
	XORPS X1, X1
	XORPS X2, X2
	XORPS X3, X3
	XORPS X4, X4
	XORPS X5, X5
	XORPS X6, X6
	XORPS X7, X7

loop:
	MOVUPS (SI), X8
	MOVUPS 16(SI), X9
	TIMES((AX), X0, X1)
	TIMES((AX)(BX*1), X2, X3)
	TIMES((CX), X4, X5)
	TIMES((CX)(BX*1), X6, X7)
	ADDQ R12, SI
	ADDQ $4, AX
	ADDQ $4, CX
	DECQ DX
	JNZ loop

	TESTQ R11, R11
	JZ act
	ADDROW(X0, X1)
	ADDQ R8, R11
	ADDROW(X2, X3)
	ADDQ R8, R11
	ADDROW(X4, X5)
	ADDQ R8, R11
	ADDROW(X6, X7)

act:
	MOVUPS (R9), X12
	MOVUPS 16(R9), X13
	MOVUPS (R10), X14
	MOVUPS 16(R10), X15
	FINISH(X0, X1)
	ADDQ R8, DI
	FINISH(X2, X3)
	ADDQ R8, DI
	FINISH(X4, X5)
	ADDQ R8, DI
	FINISH(X6, X7)
	RET

// func rowsS1x8(k int, a, b *float32, ldb int, c, bias, slope, res *float32)
TEXT ·rowsS1x8(SB), NOSPLIT, $0-64
	MOVQ k+0(FP), DX
	MOVQ a+8(FP), AX
	MOVQ b+16(FP), SI
	MOVQ ldb+24(FP), R12
	MOVQ c+32(FP), DI
	MOVQ bias+40(FP), R9
	MOVQ slope+48(FP), R10
	MOVQ res+56(FP), R11
	XORPS X0, X0
	XORPS X1, X1

loop:
	MOVUPS (SI), X8
	MOVUPS 16(SI), X9
	TIMES((AX), X0, X1)
	ADDQ R12, SI
	ADDQ $4, AX
	DECQ DX
	JNZ loop

	TESTQ R11, R11
	JZ act
	ADDROW(X0, X1)

act:
	MOVUPS (R9), X12
	MOVUPS 16(R9), X13
	MOVUPS (R10), X14
	MOVUPS 16(R10), X15
	FINISH(X0, X1)
	RET

// TAP4 adds four products: channels at src, weights at w.
#define TAP4(src, w, s) \
	MOVUPS src, X8; \
	MOVUPS w, X9; \
	MULPS X9, X8; \
	ADDPS X8, s

// CUT4 multiplies what is negative with its slope and writes it.
#define CUT4(s, slope, to) \
	MOVUPS slope, X9; \
	XORPS X8, X8; \
	XORPS X10, X10; \
	MINPS s, X8; \
	MULPS X9, X8; \
	MAXPS X10, s; \
	ADDPS X8, s; \
	MOVUPS s, to

// func taps4(out *float32, width, n int, in *float32, step int, taps *tap, count int, w, bias, slope *float32)
TEXT ·taps4(SB), NOSPLIT, $0-80
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
	LEAQ 64(BX), AX
	CMPQ AX, R8
	JGT narrow
	MOVUPS (R13)(BX*1), X0
	MOVUPS 16(R13)(BX*1), X1
	MOVUPS 32(R13)(BX*1), X2
	MOVUPS 48(R13)(BX*1), X3
	MOVQ R10, DX
	MOVQ R11, CX

wideTap:
	MOVQ (DX), AX
	LEAQ (SI)(AX*4), AX
	ADDQ BX, AX
	MOVQ 8(DX), R15
	LEAQ (R12)(R15*4), R15
	ADDQ BX, R15
	TAP4((AX), (R15), X0)
	TAP4(16(AX), 16(R15), X1)
	TAP4(32(AX), 32(R15), X2)
	TAP4(48(AX), 48(R15), X3)
	ADDQ $16, DX
	DECQ CX
	JNZ wideTap
	MOVQ slope+72(FP), AX
	CUT4(X0, (AX)(BX*1), (DI)(BX*1))
	CUT4(X1, 16(AX)(BX*1), 16(DI)(BX*1))
	CUT4(X2, 32(AX)(BX*1), 32(DI)(BX*1))
	CUT4(X3, 48(AX)(BX*1), 48(DI)(BX*1))
	ADDQ $64, BX
	JMP wide

narrow:
	CMPQ BX, R8
	JGE next
	MOVUPS (R13)(BX*1), X0
	MOVQ R10, DX
	MOVQ R11, CX

narrowTap:
	MOVQ (DX), AX
	LEAQ (SI)(AX*4), AX
	MOVQ 8(DX), R15
	LEAQ (R12)(R15*4), R15
	TAP4((AX)(BX*1), (R15)(BX*1), X0)
	ADDQ $16, DX
	DECQ CX
	JNZ narrowTap
	MOVQ slope+72(FP), AX
	CUT4(X0, (AX)(BX*1), (DI)(BX*1))
	ADDQ $16, BX
	JMP narrow

next:
	ADDQ R8, DI
	ADDQ R9, SI
	MOVQ n+16(FP), AX
	DECQ AX
	MOVQ AX, n+16(FP)
	JNZ pixel
	RET
