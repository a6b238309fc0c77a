//go:build !slowpaths

#include "go_asm.h"
#include "textflag.h"

// func onFault()
//
// In: R0 the signal, R1 its siginfo, R2 the context, R30 where to return to. The kernel
// restores every register when the handler returns.
TEXT ·onFault(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVW 8(R1), R9  // si_code
	CMPW $0, R9
	BLE  other      // another process sent it
	MOVD 16(R1), R9 // si_addr
	MOVD $·guards(SB), R10
	MOVD $const_maxGuards, R11

look:
	MOVD faultGuard_start(R10), R12
	CBZ  R12, next // it is free, or being taken
	CMP  R12, R9
	BLO  next
	MOVD faultGuard_end(R10), R12
	CMP  R12, R9
	BLO  found

next:
	ADD $faultGuard__size, R10
	SUB $1, R11
	CBNZ R11, look

other:
	MOVD ·goHandler(SB), R12
	JMP  (R12)

found:
	MOVD $1, R12
	MOVD R12, faultGuard_faults(R10)
	MOVD R0, R13
	MOVD R1, R14
	MOVD R2, R15

	// mmap(page, end-page, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)
	MOVD ·pageMask(SB), R12
	BIC  R12, R9, R0
	MOVD faultGuard_end(R10), R1
	SUB  R0, R1, R1
	MOVD $3, R2
	MOVD $0x4032, R3
	MOVD $-1, R4
	MOVD $0, R5
	MOVD $222, R8
	SVC
	CMN  $4095, R0
	BCC  mapped
	MOVD R13, R0
	MOVD R14, R1
	MOVD R15, R2
	JMP  other

mapped:
	RET

// func onFaultAddress() uintptr
TEXT ·onFaultAddress(SB), NOSPLIT, $0-8
	MOVD $·onFault(SB), R0
	MOVD R0, ret+0(FP)
	RET
