# The init of containers on x86-64: see InitImage.cs, which holds the bytes that this assembles to, and docs/protocols/docker.md.
# Reads a block to a fixed address, makes the system calls that it lists, and begins again.
        .text
        .globl  _start
        .set    BLOCK, 0x10000000       # length of the rest, address of the first call, ...
_start:
        mov     $BLOCK, %r12d
        mov     $8, %r13d
        call    fill
        mov     BLOCK, %r13
        call    fill
        mov     BLOCK+8, %rbx
step:
        mov     (%rbx), %rax            # the call's number; negative at the end of the list
        test    %rax, %rax
        js      _start
        mov     8(%rbx), %rdi
        mov     16(%rbx), %rsi
        mov     24(%rbx), %rdx
        mov     32(%rbx), %r10
        mov     40(%rbx), %r8
        mov     48(%rbx), %r9
        syscall
        cmp     56(%rbx), %rax          # the least answer that is none of failure
        jl      failed
        test    %rax, %rax
        jnz     next
        mov     72(%rbx), %rcx          # where to go on when the answer is 0; 0 for the next
        test    %rcx, %rcx
        jz      next
        mov     %rcx, %rbx
        jmp     step
next:
        add     $80, %rbx
        jmp     step
failed:
        mov     64(%rbx), %r12          # exit code, length and text of what is said
        mov     $1, %eax                # write
        mov     $2, %edi
        lea     16(%r12), %rsi
        mov     8(%r12), %rdx
        syscall
        mov     (%r12), %rdi
        jmp     leave
fill:                                   # r13 bytes to r12
        xor     %eax, %eax              # read
        xor     %edi, %edi
        mov     %r12, %rsi
        mov     %r13, %rdx
        syscall
        cmp     $-4, %rax               # EINTR
        je      fill
        test    %rax, %rax
        jle     gone
        add     %rax, %r12
        sub     %rax, %r13
        jnz     fill
        ret
gone:                                   # whoever would have said what to do has gone
        mov     $125, %edi
leave:
        mov     $231, %eax              # exit_group
        syscall
