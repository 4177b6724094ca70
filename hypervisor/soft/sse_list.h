/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sse_list.h - every MMX and SSE encoding and the name of its body: opcode map, opcode, mandatory
 * prefix (0 none, 1 66, 2 F3, 3 F2), body without its sse_.  F is expanded once for each row.
 * Intel SDM vol. 2 appendix A.  EMMS is with the integer instructions (ops.h).
 */
#ifndef GH_SOFT_SSE_LIST_H
#define GH_SOFT_SSE_LIST_H

#define SSE_LIST(F) \
    F(0f, 0x10, 0, x_load_unaligned) F(0f, 0x10, 1, x_load_unaligned) \
    F(0f, 0x10, 2, x_movss_load) F(0f, 0x10, 3, x_movsd_load) F(0f, 0x11, 0, x_store_unaligned) \
    F(0f, 0x11, 1, x_store_unaligned) F(0f, 0x11, 2, x_movss_store) \
    F(0f, 0x11, 3, x_movsd_store) F(0f, 0x12, 0, x_movlps) F(0f, 0x12, 1, x_movlpd) \
    F(0f, 0x12, 2, x_movsldup) F(0f, 0x12, 3, x_movddup) F(0f, 0x13, 0, x_movlp_store) \
    F(0f, 0x13, 1, x_movlp_store) F(0f, 0x14, 0, x_unpcklps) F(0f, 0x14, 1, x_unpcklpd) \
    F(0f, 0x15, 0, x_unpckhps) F(0f, 0x15, 1, x_unpckhpd) F(0f, 0x16, 0, x_movhps) \
    F(0f, 0x16, 1, x_movhpd) F(0f, 0x16, 2, x_movshdup) F(0f, 0x17, 0, x_movhp_store) \
    F(0f, 0x17, 1, x_movhp_store) F(0f, 0x28, 0, x_load_aligned) F(0f, 0x28, 1, x_load_aligned) \
    F(0f, 0x29, 0, x_store_aligned) F(0f, 0x29, 1, x_store_aligned) F(0f, 0x2a, 0, x_cvtpi2ps) \
    F(0f, 0x2a, 1, x_cvtpi2pd) F(0f, 0x2a, 2, x_cvtsi2ss) F(0f, 0x2a, 3, x_cvtsi2sd) \
    F(0f, 0x2b, 0, x_store_memory) F(0f, 0x2b, 1, x_store_memory) F(0f, 0x2c, 0, x_cvttps2pi) \
    F(0f, 0x2c, 1, x_cvttpd2pi) F(0f, 0x2c, 2, x_cvttss2si) F(0f, 0x2c, 3, x_cvttsd2si) \
    F(0f, 0x2d, 0, x_cvtps2pi) F(0f, 0x2d, 1, x_cvtpd2pi) F(0f, 0x2d, 2, x_cvtss2si) \
    F(0f, 0x2d, 3, x_cvtsd2si) F(0f, 0x2e, 0, x_ucomiss) F(0f, 0x2e, 1, x_ucomisd) \
    F(0f, 0x2f, 0, x_comiss) F(0f, 0x2f, 1, x_comisd) F(0f, 0x50, 0, x_movmskps) \
    F(0f, 0x50, 1, x_movmskpd) F(0f, 0x51, 0, x_sqrtps) F(0f, 0x51, 1, x_sqrtpd) \
    F(0f, 0x51, 2, x_sqrtss) F(0f, 0x51, 3, x_sqrtsd) F(0f, 0x52, 0, x_rsqrtps) \
    F(0f, 0x52, 2, x_rsqrtss) F(0f, 0x53, 0, x_rcpps) F(0f, 0x53, 2, x_rcpss) \
    F(0f, 0x54, 0, x_andps) F(0f, 0x54, 1, x_andpd) F(0f, 0x55, 0, x_andnps) \
    F(0f, 0x55, 1, x_andnpd) F(0f, 0x56, 0, x_orps) F(0f, 0x56, 1, x_orpd) \
    F(0f, 0x57, 0, x_xorps) F(0f, 0x57, 1, x_xorpd) F(0f, 0x58, 0, x_addps) \
    F(0f, 0x58, 1, x_addpd) F(0f, 0x58, 2, x_addss) F(0f, 0x58, 3, x_addsd) \
    F(0f, 0x59, 0, x_mulps) F(0f, 0x59, 1, x_mulpd) F(0f, 0x59, 2, x_mulss) \
    F(0f, 0x59, 3, x_mulsd) F(0f, 0x5a, 0, x_cvtps2pd) F(0f, 0x5a, 1, x_cvtpd2ps) \
    F(0f, 0x5a, 2, x_cvtss2sd) F(0f, 0x5a, 3, x_cvtsd2ss) F(0f, 0x5b, 0, x_cvtdq2ps) \
    F(0f, 0x5b, 1, x_cvtps2dq) F(0f, 0x5b, 2, x_cvttps2dq) F(0f, 0x5c, 0, x_subps) \
    F(0f, 0x5c, 1, x_subpd) F(0f, 0x5c, 2, x_subss) F(0f, 0x5c, 3, x_subsd) \
    F(0f, 0x5d, 0, x_minps) F(0f, 0x5d, 1, x_minpd) F(0f, 0x5d, 2, x_minss) \
    F(0f, 0x5d, 3, x_minsd) F(0f, 0x5e, 0, x_divps) F(0f, 0x5e, 1, x_divpd) \
    F(0f, 0x5e, 2, x_divss) F(0f, 0x5e, 3, x_divsd) F(0f, 0x5f, 0, x_maxps) \
    F(0f, 0x5f, 1, x_maxpd) F(0f, 0x5f, 2, x_maxss) F(0f, 0x5f, 3, x_maxsd) \
    F(0f, 0x60, 0, m_punpcklbw) F(0f, 0x60, 1, x_punpcklbw) F(0f, 0x61, 0, m_punpcklwd) \
    F(0f, 0x61, 1, x_punpcklwd) F(0f, 0x62, 0, m_punpckldq) F(0f, 0x62, 1, x_punpckldq) \
    F(0f, 0x63, 0, m_packsswb) F(0f, 0x63, 1, x_packsswb) F(0f, 0x64, 0, m_pcmpgtb) \
    F(0f, 0x64, 1, x_pcmpgtb) F(0f, 0x65, 0, m_pcmpgtw) F(0f, 0x65, 1, x_pcmpgtw) \
    F(0f, 0x66, 0, m_pcmpgtd) F(0f, 0x66, 1, x_pcmpgtd) F(0f, 0x67, 0, m_packuswb) \
    F(0f, 0x67, 1, x_packuswb) F(0f, 0x68, 0, m_punpckhbw) F(0f, 0x68, 1, x_punpckhbw) \
    F(0f, 0x69, 0, m_punpckhwd) F(0f, 0x69, 1, x_punpckhwd) F(0f, 0x6a, 0, m_punpckhdq) \
    F(0f, 0x6a, 1, x_punpckhdq) F(0f, 0x6b, 0, m_packssdw) F(0f, 0x6b, 1, x_packssdw) \
    F(0f, 0x6c, 1, x_punpcklqdq) F(0f, 0x6d, 1, x_punpckhqdq) F(0f, 0x6e, 0, m_movd_load) \
    F(0f, 0x6e, 1, x_movd_load) F(0f, 0x6f, 0, m_movq_load) F(0f, 0x6f, 1, x_load_aligned) \
    F(0f, 0x6f, 2, x_load_unaligned) F(0f, 0x70, 0, m_pshufw) F(0f, 0x70, 1, x_pshufd) \
    F(0f, 0x70, 2, x_pshufhw) F(0f, 0x70, 3, x_pshuflw) F(0f, 0x71, 0, m_shift) \
    F(0f, 0x71, 1, x_shift) F(0f, 0x72, 0, m_shift) F(0f, 0x72, 1, x_shift) \
    F(0f, 0x73, 0, m_shift) F(0f, 0x73, 1, x_shift) F(0f, 0x74, 0, m_pcmpeqb) \
    F(0f, 0x74, 1, x_pcmpeqb) F(0f, 0x75, 0, m_pcmpeqw) F(0f, 0x75, 1, x_pcmpeqw) \
    F(0f, 0x76, 0, m_pcmpeqd) F(0f, 0x76, 1, x_pcmpeqd) F(0f, 0x7c, 1, x_haddpd) \
    F(0f, 0x7c, 3, x_haddps) F(0f, 0x7d, 1, x_hsubpd) F(0f, 0x7d, 3, x_hsubps) \
    F(0f, 0x7e, 0, m_movd_store) F(0f, 0x7e, 1, x_movd_store) F(0f, 0x7e, 2, x_movq_load) \
    F(0f, 0x7f, 0, m_movq_store) F(0f, 0x7f, 1, x_store_aligned) \
    F(0f, 0x7f, 2, x_store_unaligned) F(0f, 0xc2, 0, x_cmpps) F(0f, 0xc2, 1, x_cmppd) \
    F(0f, 0xc2, 2, x_cmpss) F(0f, 0xc2, 3, x_cmpsd) F(0f, 0xc4, 0, m_pinsrw) \
    F(0f, 0xc4, 1, x_pinsrw) F(0f, 0xc5, 0, m_pextrw) F(0f, 0xc5, 1, x_pextrw) \
    F(0f, 0xc6, 0, x_shufps) F(0f, 0xc6, 1, x_shufpd) F(0f, 0xd0, 1, x_addsubpd) \
    F(0f, 0xd0, 3, x_addsubps) F(0f, 0xd1, 0, m_psrlw) F(0f, 0xd1, 1, x_psrlw) \
    F(0f, 0xd2, 0, m_psrld) F(0f, 0xd2, 1, x_psrld) F(0f, 0xd3, 0, m_psrlq) \
    F(0f, 0xd3, 1, x_psrlq) F(0f, 0xd4, 0, m_paddq) F(0f, 0xd4, 1, x_paddq) \
    F(0f, 0xd5, 0, m_pmullw) F(0f, 0xd5, 1, x_pmullw) F(0f, 0xd6, 1, x_movq_store) \
    F(0f, 0xd6, 2, x_movq2dq) F(0f, 0xd6, 3, x_movdq2q) F(0f, 0xd7, 0, m_pmovmskb) \
    F(0f, 0xd7, 1, x_pmovmskb) F(0f, 0xd8, 0, m_psubusb) F(0f, 0xd8, 1, x_psubusb) \
    F(0f, 0xd9, 0, m_psubusw) F(0f, 0xd9, 1, x_psubusw) F(0f, 0xda, 0, m_pminub) \
    F(0f, 0xda, 1, x_pminub) F(0f, 0xdb, 0, m_pand) F(0f, 0xdb, 1, x_pand) \
    F(0f, 0xdc, 0, m_paddusb) F(0f, 0xdc, 1, x_paddusb) F(0f, 0xdd, 0, m_paddusw) \
    F(0f, 0xdd, 1, x_paddusw) F(0f, 0xde, 0, m_pmaxub) F(0f, 0xde, 1, x_pmaxub) \
    F(0f, 0xdf, 0, m_pandn) F(0f, 0xdf, 1, x_pandn) F(0f, 0xe0, 0, m_pavgb) \
    F(0f, 0xe0, 1, x_pavgb) F(0f, 0xe1, 0, m_psraw) F(0f, 0xe1, 1, x_psraw) \
    F(0f, 0xe2, 0, m_psrad) F(0f, 0xe2, 1, x_psrad) F(0f, 0xe3, 0, m_pavgw) \
    F(0f, 0xe3, 1, x_pavgw) F(0f, 0xe4, 0, m_pmulhuw) F(0f, 0xe4, 1, x_pmulhuw) \
    F(0f, 0xe5, 0, m_pmulhw) F(0f, 0xe5, 1, x_pmulhw) F(0f, 0xe6, 1, x_cvttpd2dq) \
    F(0f, 0xe6, 2, x_cvtdq2pd) F(0f, 0xe6, 3, x_cvtpd2dq) F(0f, 0xe7, 0, m_movntq) \
    F(0f, 0xe7, 1, x_store_memory) F(0f, 0xe8, 0, m_psubsb) F(0f, 0xe8, 1, x_psubsb) \
    F(0f, 0xe9, 0, m_psubsw) F(0f, 0xe9, 1, x_psubsw) F(0f, 0xea, 0, m_pminsw) \
    F(0f, 0xea, 1, x_pminsw) F(0f, 0xeb, 0, m_por) F(0f, 0xeb, 1, x_por) \
    F(0f, 0xec, 0, m_paddsb) F(0f, 0xec, 1, x_paddsb) F(0f, 0xed, 0, m_paddsw) \
    F(0f, 0xed, 1, x_paddsw) F(0f, 0xee, 0, m_pmaxsw) F(0f, 0xee, 1, x_pmaxsw) \
    F(0f, 0xef, 0, m_pxor) F(0f, 0xef, 1, x_pxor) F(0f, 0xf0, 3, x_lddqu) \
    F(0f, 0xf1, 0, m_psllw) F(0f, 0xf1, 1, x_psllw) F(0f, 0xf2, 0, m_pslld) \
    F(0f, 0xf2, 1, x_pslld) F(0f, 0xf3, 0, m_psllq) F(0f, 0xf3, 1, x_psllq) \
    F(0f, 0xf4, 0, m_pmuludq) F(0f, 0xf4, 1, x_pmuludq) F(0f, 0xf5, 0, m_pmaddwd) \
    F(0f, 0xf5, 1, x_pmaddwd) F(0f, 0xf6, 0, m_psadbw) F(0f, 0xf6, 1, x_psadbw) \
    F(0f, 0xf7, 0, m_maskmovq) F(0f, 0xf7, 1, x_maskmovdqu) F(0f, 0xf8, 0, m_psubb) \
    F(0f, 0xf8, 1, x_psubb) F(0f, 0xf9, 0, m_psubw) F(0f, 0xf9, 1, x_psubw) \
    F(0f, 0xfa, 0, m_psubd) F(0f, 0xfa, 1, x_psubd) F(0f, 0xfb, 0, m_psubq) \
    F(0f, 0xfb, 1, x_psubq) F(0f, 0xfc, 0, m_paddb) F(0f, 0xfc, 1, x_paddb) \
    F(0f, 0xfd, 0, m_paddw) F(0f, 0xfd, 1, x_paddw) F(0f, 0xfe, 0, m_paddd) \
    F(0f, 0xfe, 1, x_paddd) F(0f38, 0x00, 0, m_pshufb) F(0f38, 0x00, 1, x_pshufb) \
    F(0f38, 0x01, 0, m_phaddw) F(0f38, 0x01, 1, x_phaddw) F(0f38, 0x02, 0, m_phaddd) \
    F(0f38, 0x02, 1, x_phaddd) F(0f38, 0x03, 0, m_phaddsw) F(0f38, 0x03, 1, x_phaddsw) \
    F(0f38, 0x04, 0, m_pmaddubsw) F(0f38, 0x04, 1, x_pmaddubsw) F(0f38, 0x05, 0, m_phsubw) \
    F(0f38, 0x05, 1, x_phsubw) F(0f38, 0x06, 0, m_phsubd) F(0f38, 0x06, 1, x_phsubd) \
    F(0f38, 0x07, 0, m_phsubsw) F(0f38, 0x07, 1, x_phsubsw) F(0f38, 0x08, 0, m_psignb) \
    F(0f38, 0x08, 1, x_psignb) F(0f38, 0x09, 0, m_psignw) F(0f38, 0x09, 1, x_psignw) \
    F(0f38, 0x0a, 0, m_psignd) F(0f38, 0x0a, 1, x_psignd) F(0f38, 0x0b, 0, m_pmulhrsw) \
    F(0f38, 0x0b, 1, x_pmulhrsw) F(0f38, 0x10, 1, x_pblendvb) F(0f38, 0x14, 1, x_blendvps) \
    F(0f38, 0x15, 1, x_blendvpd) F(0f38, 0x17, 1, x_ptest) F(0f38, 0x1c, 0, m_pabsb) \
    F(0f38, 0x1c, 1, x_pabsb) F(0f38, 0x1d, 0, m_pabsw) F(0f38, 0x1d, 1, x_pabsw) \
    F(0f38, 0x1e, 0, m_pabsd) F(0f38, 0x1e, 1, x_pabsd) F(0f38, 0x20, 1, x_pmovsxbw) \
    F(0f38, 0x21, 1, x_pmovsxbd) F(0f38, 0x22, 1, x_pmovsxbq) F(0f38, 0x23, 1, x_pmovsxwd) \
    F(0f38, 0x24, 1, x_pmovsxwq) F(0f38, 0x25, 1, x_pmovsxdq) F(0f38, 0x28, 1, x_pmuldq) \
    F(0f38, 0x29, 1, x_pcmpeqq) F(0f38, 0x2a, 1, x_load_memory) F(0f38, 0x2b, 1, x_packusdw) \
    F(0f38, 0x30, 1, x_pmovzxbw) F(0f38, 0x31, 1, x_pmovzxbd) F(0f38, 0x32, 1, x_pmovzxbq) \
    F(0f38, 0x33, 1, x_pmovzxwd) F(0f38, 0x34, 1, x_pmovzxwq) F(0f38, 0x35, 1, x_pmovzxdq) \
    F(0f38, 0x37, 1, x_pcmpgtq) F(0f38, 0x38, 1, x_pminsb) F(0f38, 0x39, 1, x_pminsd) \
    F(0f38, 0x3a, 1, x_pminuw) F(0f38, 0x3b, 1, x_pminud) F(0f38, 0x3c, 1, x_pmaxsb) \
    F(0f38, 0x3d, 1, x_pmaxsd) F(0f38, 0x3e, 1, x_pmaxuw) F(0f38, 0x3f, 1, x_pmaxud) \
    F(0f38, 0x40, 1, x_pmulld) F(0f38, 0x41, 1, x_phminposuw) F(0f38, 0xc8, 0, x_sha1nexte) \
    F(0f38, 0xc9, 0, x_sha1msg1) F(0f38, 0xca, 0, x_sha1msg2) F(0f38, 0xcb, 0, x_sha256rnds2) \
    F(0f38, 0xcc, 0, x_sha256msg1) F(0f38, 0xcd, 0, x_sha256msg2) F(0f38, 0xdb, 1, x_aesimc) \
    F(0f38, 0xdc, 1, x_aesenc) F(0f38, 0xdd, 1, x_aesenclast) F(0f38, 0xde, 1, x_aesdec) \
    F(0f38, 0xdf, 1, x_aesdeclast) F(0f3a, 0x08, 1, x_roundps) F(0f3a, 0x09, 1, x_roundpd) \
    F(0f3a, 0x0a, 1, x_roundss) F(0f3a, 0x0b, 1, x_roundsd) F(0f3a, 0x0c, 1, x_blendps) \
    F(0f3a, 0x0d, 1, x_blendpd) F(0f3a, 0x0e, 1, x_pblendw) F(0f3a, 0x0f, 0, m_palignr) \
    F(0f3a, 0x0f, 1, x_palignr) F(0f3a, 0x14, 1, x_pextrb) F(0f3a, 0x15, 1, x_pextrw_m) \
    F(0f3a, 0x16, 1, x_pextrd) F(0f3a, 0x17, 1, x_extractps) F(0f3a, 0x20, 1, x_pinsrb) \
    F(0f3a, 0x21, 1, x_insertps) F(0f3a, 0x22, 1, x_pinsrd) F(0f3a, 0x40, 1, x_dpps) \
    F(0f3a, 0x41, 1, x_dppd) F(0f3a, 0x42, 1, x_mpsadbw) F(0f3a, 0x44, 1, x_pclmulqdq) \
    F(0f3a, 0x60, 1, x_pcmpestrm) F(0f3a, 0x61, 1, x_pcmpestri) F(0f3a, 0x62, 1, x_pcmpistrm) \
    F(0f3a, 0x63, 1, x_pcmpistri) F(0f3a, 0xcc, 0, x_sha1rnds4) \
    F(0f3a, 0xdf, 1, x_aeskeygenassist)

#endif
