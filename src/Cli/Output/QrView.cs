using QRCoder;

namespace PeoplesCloud.Cli.Output;

/// <summary>A QR code on a terminal: two modules a character, dark on light whatever the terminal's colours are.</summary>
internal static class QrView
{
    /// <summary>Writes the code when it fits the terminal; a ticket that a phone cannot scan from the screen is better copied.</summary>
    public static void Write(Terminal terminal, string text)
    {
        using var data = QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.L);
        var modules = data.ModuleMatrix;
        if (modules.Count + 2 > terminal.Width) return;
        for (var row = 0; row < modules.Count; row += 2)
        {
            var line = new char[modules.Count];
            for (var column = 0; column < modules.Count; column++)
            {
                var upper = modules[row][column];
                var lower = row + 1 < modules.Count && modules[row + 1][column];
                line[column] = (upper, lower) switch { (true, true) => '█', (true, false) => '▀', (false, true) => '▄', _ => ' ' };
            }

            terminal.Line($"  \e[30;47m{new string(line)}\e[0m");
        }
    }
}
