# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot sectors: guests of a few bytes.  Each is real-mode code at 0x7c00 that says who it is on
COM1 and then does its one thing."""

START = bytes.fromhex('fa 31c0 8ed8 8ec0 8ed0 bc007c')      # cli; ds = es = ss = 0; sp = 0x7c00
HALT = bytes.fromhex('f4 ebfd')                             # hlt; jmp $-1
SLEEP = bytes.fromhex('fb f4 ebfd')                         # sti; hlt; jmp
SPIN = bytes.fromhex('ebfe')


def say(text):
    """out to 0x3f8 when the transmitter is empty"""
    code = b''
    for ch in text.encode():
        code += bytes.fromhex('bafd03 ec a820 74fb baf803 b0') + bytes([ch]) + b'\xee'
    return code


def sector(code, data=b''):
    """code, then data; 0x7c00 + the returned position is data's address"""
    body = START + code + data
    if len(body) > 440:
        raise ValueError(f'{len(body)} bytes do not fit into a boot sector')
    return body.ljust(510, b'\0') + b'\x55\xaa'


def idle(text='IDLE\r\n'):
    return sector(say(text) + SLEEP)


def halted_for_good():
    return sector(say('HALT\r\n') + HALT)


def busy():
    return sector(say('BUSY\r\n') + SPIN)


def beep(count):
    """Channel 2 of the timer as a square wave, and the speaker connected to it."""
    count = count.to_bytes(2, 'little')
    return sector(bytes.fromhex('b0b6 e643 b0') + count[:1] + bytes.fromhex('e642 b0') + count[1:] +
                  bytes.fromhex('e642 e461 0c03 e661') + say('BEEP\r\n') + HALT)


def power_off():
    """PM1a control: SLP_EN with type 0"""
    return sector(say('OFF\r\n') + bytes.fromhex('ba04b0 b80020 ef') + HALT)


def triple_fault():
    """An interrupt with an empty interrupt table, in protected mode where nothing forgives it."""
    text = say('FAULT\r\n')
    tail = bytes.fromhex('0f20c0 0c01 0f22c0 cd03')      # cr0.pe = 1; int 3
    table = (0x7c00 + len(START + text) + 10 + len(tail)).to_bytes(2, 'little')
    loads = bytes.fromhex('0f011e') + table + bytes.fromhex('0f0116') + table    # lidt, lgdt
    return sector(text + loads + tail, bytes(6))


def wild_jump(target=0xe0000000):
    """Protected mode, and a far jump to where no memory is."""
    text = say('JUMP\r\n')
    jump = bytes.fromhex('66ea') + target.to_bytes(4, 'little') + b'\x08\0'
    code = bytes.fromhex('0f0116 0000 0f20c0 0c01 0f22c0') + jump
    gdt = 0x7c00 + len(START + text + code) + 6
    code = code.replace(bytes.fromhex('0f0116 0000'),
                        bytes.fromhex('0f0116') + (gdt - 6).to_bytes(2, 'little'), 1)
    table = (23).to_bytes(2, 'little') + gdt.to_bytes(4, 'little') + bytes(8) + \
        bytes.fromhex('ffff0000009bcf00 ffff00000093cf00')
    return sector(text + code, table)


def hammer():
    """Reads a byte of every port; reads and writes more of those that nobody has."""
    read = bytes.fromhex(
        '31d2'              # dx = 0
        'ec 42 75fc')       # in al, dx; next port
    write = bytes.fromhex(
        'ba0020'            # dx = 0x2000: below it are the old ACPI ports, which power off
        'ef 66ed 83c207'    # out ax; in eax; dx += 7
        '81fa0090 72f4')    # to 0x9000
    return sector(say('HAMMER\r\n') + read + write + say('DONE\r\n') + SLEEP)


def echo():
    """Says on COM1 what is typed on the keyboard, through the BIOS: int 16h, int 14h."""
    loop = bytes.fromhex('fb 31c0 cd16 88c3'        # sti; ah = 0; int 0x16; bl = al
                         'bafd03 ec a820 74fb'      # wait for the transmitter
                         'baf803 88d8 ee')          # out
    return sector(say('ECHO\r\n') + loop + b'\xeb' + bytes([256 - len(loop) - 2]))
