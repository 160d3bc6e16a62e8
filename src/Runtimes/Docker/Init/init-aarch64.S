// The init of containers on arm64: as init-x86_64.S, call for call.
        .text
        .globl  _start
_start:
begin:                                  // a label that is not global, so that nothing is left to a linker
        movz    x19, #0x1000, lsl #16   // the block: length of the rest, address of the first call, ...
        mov     x20, x19
        mov     x21, #8
        bl      fill
        ldr     x21, [x19]
        bl      fill
        ldr     x22, [x19, #8]
step:
        ldr     x8, [x22]               // the call's number; negative at the end of the list
        tbnz    x8, #63, begin
        ldp     x0, x1, [x22, #8]
        ldp     x2, x3, [x22, #24]
        ldp     x4, x5, [x22, #40]
        svc     #0
        ldr     x9, [x22, #56]          // the least answer that is none of failure
        cmp     x0, x9
        b.lt    failed
        ldr     x9, [x22, #72]          // where to go on when the answer is 0; 0 for the next
        cbnz    x0, next
        cbz     x9, next
        mov     x22, x9
        b       step
next:
        add     x22, x22, #80
        b       step
failed:
        ldr     x20, [x22, #64]         // exit code, length and text of what is said
        mov     x0, #2
        add     x1, x20, #16
        ldr     x2, [x20, #8]
        mov     x8, #64                 // write
        svc     #0
        ldr     x0, [x20]
        b       leave
fill:                                   // x21 bytes to x20
        mov     x0, #0
        mov     x1, x20
        mov     x2, x21
        mov     x8, #63                 // read
        svc     #0
        cmn     x0, #4                  // EINTR
        b.eq    fill
        cmp     x0, #0
        b.le    gone
        add     x20, x20, x0
        subs    x21, x21, x0
        b.ne    fill
        ret
gone:                                   // whoever would have said what to do has gone
        mov     x0, #125
leave:
        mov     x8, #94                 // exit_group
        svc     #0
