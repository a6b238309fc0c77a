//go:build !slowpaths

#include "go_asm.h"
#include "textflag.h"

// func onFault()
//
// In: DI the signal, SI its siginfo, DX the context. The kernel restores every register
// when the handler returns.
TEXT ·onFault(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL 8(SI), AX // si_code
	CMPL AX, $0
	JLE  other     // another process sent it
	MOVQ 16(SI), R8 // si_addr
	LEAQ ·guards(SB), R9
	MOVL $const_maxGuards, CX

look:
	MOVQ  faultGuard_start(R9), R10
	TESTQ R10, R10
	JEQ   next // it is free, or being taken
	CMPQ  R8, R10
	JCS   next
	CMPQ R8, faultGuard_end(R9)
	JCS  found

next:
	ADDQ $faultGuard__size, R9
	DECL CX
	JNZ  look

other:
	MOVQ ·goHandler(SB), AX
	JMP  AX

found:
	MOVQ $1, faultGuard_faults(R9)
	MOVQ DI, R12
	MOVQ SI, R13
	MOVQ DX, R14

	// mmap(page, end-page, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
	MOVQ ·pageMask(SB), DI
	NOTQ DI
	ANDQ R8, DI
	MOVQ faultGuard_end(R9), SI
	SUBQ DI, SI
	MOVQ $3, DX
	MOVQ $0x4032, R10
	MOVQ $-1, R8
	MOVQ $0, R9
	MOVQ $9, AX
	SYSCALL
	CMPQ AX, $0xfffffffffffff001
	JCS  mapped
	MOVQ R12, DI
	MOVQ R13, SI
	MOVQ R14, DX
	JMP  other

mapped:
	RET

// func onFaultAddress() uintptr
TEXT ·onFaultAddress(SB), NOSPLIT, $0-8
	LEAQ ·onFault(SB), AX
	MOVQ AX, ret+0(FP)
	RET
