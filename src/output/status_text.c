#include "output/status_text.h"

/* The compiler runs where the Makefile is. */
__asm__(".pushsection .rodata\n"
        ".hidden status_text_css, status_text_js, status_text_end\n"
        ".globl status_text_css, status_text_js, status_text_end\n"
        "status_text_css: .incbin \"src/output/status.css\"\n"
        "status_text_js: .incbin \"src/output/status.js\"\n"
        "status_text_end: .byte 0\n"
        ".popsection\n");

extern const char status_text_css[], status_text_js[], status_text_end[];

struct slice status_text_style(void)
{
    return (struct slice){status_text_css, (size_t)(status_text_js - status_text_css)};
}

struct slice status_text_script(void)
{
    return (struct slice){status_text_js, (size_t)(status_text_end - status_text_js)};
}
