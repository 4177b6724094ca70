/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dsdt.asl - the machine for ACPI systems: host bridge, ISA devices, HPET, hotplug of processors
 * and the VM generation id.  mkdsdt.sh includes the regular parts (_PRT, links, processors) at @NAME@.
 * What differs between guests is in the block at 0xFC000000 that acpi.c writes (struct Info).
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "Xen", "HVM", 0)
{
    Name (\_S5, Package () { 0x00, 0x00, 0x00, 0x00 })

    Name (PICD, 0)
    Method (\_PIC, 1)
    {
        PICD = Arg0
    }

    Scope (\_SB)
    {
        OperationRegion (INFO, SystemMemory, 0xFC000000, 80)
        Field (INFO, ByteAcc, NoLock, Preserve)
        {
            COM1, 1, COM2, 1, LPTP, 1, HPTP, 1, PANC, 1,
            Offset (1),  FLTB, 4, FLTA, 4,
            Offset (2),  NCPU, 16,
            Offset (4),  PMIN, 32, PLEN, 32,
            Offset (20), VGIA, 32,
            Offset (24), HMIN, 64, HLEN, 64,
            Offset (48),
@NE2000FIELDS@
        }

        /* Regions are at fixed places: SeaBIOS reads this table and computes nothing. */
        OperationRegion (CFLG, SystemMemory, 0xFC000080, 128)
@FLAGS@

        /* Bitmap of the processors that shall be online. */
        OperationRegion (CMAP, SystemIO, 0xAF00, 16)
        Field (CMAP, ByteAcc, NoLock, Preserve) { ONLN, 128 }

@PROCESSORS@
        Device (VGID)
        {
            Name (_HID, "GHVM0001")
            Name (_CID, "VM_Gen_Counter")
            Name (_DDN, "VM_Gen_Counter")
            Method (_STA)
            {
                If (VGIA == 0) { Return (0x00) }
                Return (0x0F)
            }
            Method (ADDR)
            {
                Local0 = Package (2) { 0, 0 }
                Local0[0] = VGIA
                Return (Local0)
            }
        }

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Name (_UID, 0)
            Method (_STA)
            {
                If (HPTP) { Return (0x0F) }
                Return (0x00)
            }
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadOnly, 0xFED00000, 0x00000400)
            })
        }

        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)

            Method (_CRS, 0, Serialized)
            {
                Name (LOWS, ResourceTemplate ()
                {
                    WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                                   0x0000, 0x0000, 0x00FF, 0x0000, 0x0100)
                    IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
                    WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                            0x0000, 0x0000, 0x0CF7, 0x0000, 0x0CF8)
                    WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                            0x0000, 0x0D00, 0xFFFF, 0x0000, 0xF300)
                    DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable,
                                 ReadWrite, 0x00000000, 0x000A0000, 0x000BFFFF, 0x00000000,
                                 0x00020000)
                    DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                                 ReadWrite, 0x00000000, 0xF0000000, 0xFBFFFFFF, 0x00000000,
                                 0x0C000000, , , LOWM)
                })
                Name (HIGS, ResourceTemplate ()
                {
                    QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                                 ReadWrite, 0x0000000000000000, 0x0000000100000000,
                                 0x00000001FFFFFFFF, 0x0000000000000000, 0x0000000100000000, , ,
                                 HIGM)
                })
                CreateDWordField (LOWS, LOWM._MIN, LMIN)
                CreateDWordField (LOWS, LOWM._MAX, LMAX)
                CreateDWordField (LOWS, LOWM._LEN, LLEN)
                CreateQWordField (HIGS, HIGM._MIN, HGMN)
                CreateQWordField (HIGS, HIGM._MAX, HGMX)
                CreateQWordField (HIGS, HIGM._LEN, HGLN)

                LMIN = PMIN
                LLEN = PLEN
                LMAX = PMIN + PLEN - 1
                If (HLEN == 0) { Return (LOWS) }
                HGMN = HMIN
                HGLN = HLEN
                HGMX = HMIN + HLEN - 1
                Return (ConcatenateResTemplate (LOWS, HIGS))
            }

            Method (_PRT)
            {
                If (PICD) { Return (PRTA) }
                Return (PRTP)
            }
@ROUTES@
            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PIRQ, PCI_Config, 0x60, 4)
                Scope (\)
                {
                    Field (\_SB.PCI0.ISA.PIRQ, ByteAcc, NoLock, Preserve)
                    {
                        PIRA, 8, PIRB, 8, PIRC, 8, PIRD, 8
                    }
                }

                /* What no other device here claims. */
                Device (SYSR)
                {
                    Name (_HID, EisaId ("PNP0C02"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0010, 0x0010, 0x00, 0x10)
                        IO (Decode16, 0x0022, 0x0022, 0x00, 0x0C)
                        IO (Decode16, 0x0030, 0x0030, 0x00, 0x10)
                        IO (Decode16, 0x0044, 0x0044, 0x00, 0x1C)
                        IO (Decode16, 0x0062, 0x0062, 0x00, 0x02)
                        IO (Decode16, 0x0065, 0x0065, 0x00, 0x0B)
                        IO (Decode16, 0x0072, 0x0072, 0x00, 0x0E)
                        IO (Decode16, 0x0080, 0x0080, 0x00, 0x01)
                        IO (Decode16, 0x0084, 0x0084, 0x00, 0x03)
                        IO (Decode16, 0x0088, 0x0088, 0x00, 0x01)
                        IO (Decode16, 0x008C, 0x008C, 0x00, 0x03)
                        IO (Decode16, 0x0090, 0x0090, 0x00, 0x10)
                        IO (Decode16, 0x00A2, 0x00A2, 0x00, 0x1C)
                        IO (Decode16, 0x00E0, 0x00E0, 0x00, 0x10)
                        IO (Decode16, 0x04D0, 0x04D0, 0x00, 0x02)
                        IO (Decode16, 0xAF00, 0xAF00, 0x00, 0x10)
                        IO (Decode16, 0xAFE0, 0xAFE0, 0x00, 0x04)
                        IO (Decode16, 0xB000, 0xB000, 0x00, 0x40)
                    })
                }

                Device (PIC)
                {
                    Name (_HID, EisaId ("PNP0000"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0020, 0x0020, 0x01, 0x02)
                        IO (Decode16, 0x00A0, 0x00A0, 0x01, 0x02)
                        IRQNoFlags () {2}
                    })
                }

                Device (DMAC)
                {
                    Name (_HID, EisaId ("PNP0200"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        DMA (Compatibility, BusMaster, Transfer8) {4}
                        IO (Decode16, 0x0000, 0x0000, 0x00, 0x10)
                        IO (Decode16, 0x0081, 0x0081, 0x00, 0x03)
                        IO (Decode16, 0x0087, 0x0087, 0x00, 0x01)
                        IO (Decode16, 0x0089, 0x0089, 0x00, 0x03)
                        IO (Decode16, 0x008F, 0x008F, 0x00, 0x01)
                        IO (Decode16, 0x00C0, 0x00C0, 0x00, 0x20)
                    })
                }

                Device (TMR)
                {
                    Name (_HID, EisaId ("PNP0100"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0040, 0x0040, 0x00, 0x04)
                        IRQNoFlags () {0}
                    })
                }

                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0070, 0x0070, 0x00, 0x02)
                        IRQNoFlags () {8}
                    })
                }

                Device (SPKR)
                {
                    Name (_HID, EisaId ("PNP0800"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0061, 0x0061, 0x00, 0x01)
                    })
                }

                Device (FPU)
                {
                    Name (_HID, EisaId ("PNP0C04"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x00F0, 0x00F0, 0x00, 0x10)
                        IRQNoFlags () {13}
                    })
                }

                Device (PS2K)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Name (_CID, EisaId ("PNP030B"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0060, 0x0060, 0x00, 0x01)
                        IO (Decode16, 0x0064, 0x0064, 0x00, 0x01)
                        IRQNoFlags () {1}
                    })
                }

                Device (PS2M)
                {
                    Name (_HID, EisaId ("PNP0F13"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IRQNoFlags () {12}
                    })
                }

                Device (FDC0)
                {
                    Name (_HID, EisaId ("PNP0700"))
                    Method (_STA)
                    {
                        If (FLTA | FLTB) { Return (0x0F) }
                        Return (0x00)
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03F2, 0x03F2, 0x00, 0x04)
                        IO (Decode16, 0x03F7, 0x03F7, 0x00, 0x01)
                        IRQNoFlags () {6}
                        DMA (Compatibility, NotBusMaster, Transfer8) {2}
                    })

                    /* Drives A and B are there or not, C and D are not, no tape. */
                    Method (_FDE, 0, Serialized)
                    {
                        Name (FDEB, Buffer (20) { 0 })
                        CreateDWordField (FDEB, 0, PRSA)
                        CreateDWordField (FDEB, 4, PRSB)
                        CreateDWordField (FDEB, 16, TAPE)
                        If (FLTA) { PRSA = 1 }
                        If (FLTB) { PRSB = 1 }
                        TAPE = 2
                        Return (FDEB)
                    }

                    /* Parameters of INT 13h, function 8, by CMOS type: number, type, last
                     * cylinder, sectors, last head; then those of INT 1Eh. */
                    Method (PARM, 2, Serialized)
                    {
                        Name (FDIP, Package (16)
                        {
                            0, 4, 79, 18, 1, 0xAF, 0x02, 0x25, 2, 18, 0x1B, 0xFF, 0x6C, 0xF6, 0x0F,
                            0x08
                        })
                        FDIP[0] = Arg0
                        FDIP[1] = Arg1
                        If (Arg1 == 1) { FDIP[2] = 39  FDIP[3] = 9  FDIP[9] = 9 }
                        If (Arg1 == 2) { FDIP[3] = 15  FDIP[9] = 15 }
                        If (Arg1 == 5) { FDIP[3] = 36  FDIP[9] = 36 }
                        Return (FDIP)
                    }
                    Device (FLPA)
                    {
                        Name (_ADR, 0)
                        Method (_STA)
                        {
                            If (FLTA) { Return (0x0F) }
                            Return (0x00)
                        }
                        Method (_FDI) { Return (^^PARM (0, FLTA)) }
                    }
                    Device (FLPB)
                    {
                        Name (_ADR, 1)
                        Method (_STA)
                        {
                            If (FLTB) { Return (0x0F) }
                            Return (0x00)
                        }
                        Method (_FDI) { Return (^^PARM (1, FLTB)) }
                    }
                }

                /* Where the guest tells of its panic. */
                Device (PEVT)
                {
                    Name (_HID, "QEMU0001")
                    Method (_STA)
                    {
                        If (PANC) { Return (0x0F) }
                        Return (0x00)
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0505, 0x0505, 0x01, 0x01)
                    })
                }

                Device (UAR1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Method (_STA)
                    {
                        If (COM1) { Return (0x0F) }
                        Return (0x00)
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03F8, 0x03F8, 0x08, 0x08)
                        IRQNoFlags () {4}
                    })
                }

                Device (UAR2)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 2)
                    Method (_STA)
                    {
                        If (COM2) { Return (0x0F) }
                        Return (0x00)
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02F8, 0x02F8, 0x08, 0x08)
                        IRQNoFlags () {3}
                    })
                }

                Device (LPT1)
                {
                    Name (_HID, EisaId ("PNP0400"))
                    Method (_STA)
                    {
                        If (LPTP) { Return (0x0F) }
                        Return (0x00)
                    }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x0378, 0x0378, 0x08, 0x08)
                        IRQNoFlags () {7}
                    })
                }

@NE2000S@
            }
        }
@LINKS@
    }

    Scope (\_GPE)
    {
        /* Edge: the event is cleared first, so that one that comes meanwhile is not lost. */
        Method (_E02)
        {
            \_SB.PRSC ()
        }
    }
}
