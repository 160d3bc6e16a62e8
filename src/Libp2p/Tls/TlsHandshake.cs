using System.Net.Security;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Authentication.ExtendedProtection;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using PeoplesCloud.Libp2p.Connections;

namespace PeoplesCloud.Libp2p.Tls;

/// <summary>
/// Turns a raw connection into a <see cref="TlsChannel"/> to a proven peer: TLS 1.3 with one self-signed certificate a side. Fails closed: whatever is not
/// exactly right ends in a <see cref="Libp2pException"/>.
/// </summary>
/// <remarks>.NET's own judgement of a certificate (a root, a name, dates) means nothing here and is replaced by <see cref="TlsCertificate"/>.</remarks>
internal static class TlsHandshake
{
    /// <summary>The protocol id in multistream-select.</summary>
    public const string Protocol = "/tls/1.0.0";

    /// <summary>What both sides offer in ALPN, behind their multiplexers: the choice is left to multistream-select.</summary>
    private const string NoMuxer = "libp2p";

    /// <summary>Runs the handshake; the channel owns the transport afterwards. A failed handshake disposes the transport.</summary>
    /// <param name="transport">The raw connection, after multistream-select agreed on <see cref="Protocol"/>.</param>
    /// <param name="certificate">Our certificate, from <see cref="TlsCertificate.Create"/>.</param>
    /// <param name="initiator">Whether we dialed: the TLS client.</param>
    /// <param name="expected">Who must be there; null accepts anybody that proves who it is.</param>
    /// <param name="muxers">Our multiplexers, best first; empty leaves the choice to multistream-select.</param>
    /// <param name="limits">Time and size limits.</param>
    /// <param name="time">The clock of the time-out and of validity.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="Libp2pException">BadHandshake, WrongPeer, TimedOut or ConnectionClosed.</exception>
    public static async ValueTask<TlsChannel> RunAsync(
        Stream transport, SslStreamCertificateContext certificate, bool initiator, PeerId? expected, IReadOnlyList<string> muxers, Libp2pLimits limits, TimeProvider time, CancellationToken cancellationToken)
    {
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        var completed = false;
        var judge = new Judge(initiator, expected, limits, time);
        try
        {
            var muxer = await TimeLimit.RunAsync(limits.HandshakeTimeout, time, "the handshake", async token =>
            {
                if (initiator) await tls.AuthenticateAsClientAsync(ClientOptions(certificate, muxers, judge), token);
                else await tls.AuthenticateAsServerAsync(ServerOptions(certificate, muxers, judge), token);
                return ChosenMuxer(tls, muxers);
            }, cancellationToken);
            var channel = new TlsChannel(tls, judge is { IsRefused: false, Peer: { } peer } ? peer : throw judge.Refusal, muxer) { ChannelBinding = ChannelBindingOf(tls) };
            completed = true;
            return channel;
        }
        catch (Exception) when (judge.IsRefused)
        {
            throw judge.Refusal;
        }
        catch (Exception failure) when (failure is AuthenticationException or CryptographicException or NotSupportedException)
        {
            throw new Libp2pException(Libp2pError.BadHandshake, $"the TLS handshake failed: {failure.Message}", failure);
        }
        catch (Exception failure) when (failure is not Libp2pException and (IOException or ObjectDisposedException))
        {
            throw new Libp2pException(Libp2pError.ConnectionClosed, "the connection ended during the handshake", failure);
        }
        finally
        {
            if (!completed) await tls.DisposeAsync();
        }
    }

    private static SslClientAuthenticationOptions ClientOptions(SslStreamCertificateContext certificate, IReadOnlyList<string> muxers, Judge judge) => new()
    {
        TargetHost = "", // no server name: the handshake tells a listener in the middle nothing of whom we look for
        // Asked for twice: before the handshake, and when the server has shown its certificate. Ours is for the peer that we look for, so it is given only then.
        LocalCertificateSelectionCallback = (_, _, _, shown, _) => shown is not null && judge.Proves(shown) ? certificate.TargetCertificate : null!,
        EnabledSslProtocols = SslProtocols.Tls13,
        ApplicationProtocols = Offer(muxers),
        CertificateChainPolicy = NoChain(),
        RemoteCertificateValidationCallback = judge.Accepts,
        AllowTlsResume = false, // a resumed session shows no certificate
        AllowRenegotiation = false,
    };

    private static SslServerAuthenticationOptions ServerOptions(SslStreamCertificateContext certificate, IReadOnlyList<string> muxers, Judge judge) => new()
    {
        ServerCertificateContext = certificate,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13,
        ApplicationProtocols = Offer(muxers),
        CertificateChainPolicy = NoChain(),
        RemoteCertificateValidationCallback = judge.Accepts,
        AllowTlsResume = false,
        AllowRenegotiation = false,
    };

    // A certificate may name addresses to fetch issuers and revocations from: a stranger must not make us go there.
    private static X509ChainPolicy NoChain() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };

    private static List<SslApplicationProtocol> Offer(IReadOnlyList<string> muxers) => [.. muxers.Append(NoMuxer).Select(m => new SslApplicationProtocol(m))];

    /// <summary>The multiplexer that ALPN agreed on; null leaves it to multistream-select. A peer that offers no ALPN still completes the handshake: it is refused here.</summary>
    private static string? ChosenMuxer(SslStream tls, IReadOnlyList<string> muxers)
    {
        var chosen = Encoding.UTF8.GetString(tls.NegotiatedApplicationProtocol.Protocol.Span);
        if (chosen == NoMuxer) return null;
        return muxers.Contains(chosen, StringComparer.Ordinal) ? chosen : throw new Libp2pException(Libp2pError.BadHandshake, "the peer does not offer libp2p in ALPN");
    }

    /// <summary>The client's Finished message: a MAC over the whole handshake under a key of this handshake (RFC 8446, section 4.4.4), 32 or 48 bytes.</summary>
    private static byte[] ChannelBindingOf(SslStream tls)
    {
        using var binding = tls.TransportContext.GetChannelBinding(ChannelBindingKind.Unique) ?? throw new Libp2pException(Libp2pError.BadHandshake, "the handshake has no channel binding");
        var bytes = new byte[binding.Size];
        Marshal.Copy(binding.DangerousGetHandle(), bytes, 0, bytes.Length); // alive until the end of the method
        return bytes;
    }

    /// <summary>Decides about the peer's certificate and remembers what it decided. One handshake.</summary>
    private sealed class Judge(bool initiator, PeerId? expected, Libp2pLimits limits, TimeProvider time)
    {
        private Libp2pException? _refusal;

        public PeerId? Peer { get; private set; }

        public bool IsRefused => _refusal is not null;

        public Libp2pException Refusal => _refusal ?? new Libp2pException(Libp2pError.BadHandshake, "the peer showed no certificate");

        /// <summary>Called by .NET inside the handshake; never throws.</summary>
        public bool Accepts(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
        {
            // What came with the certificate is in the chain's store: for a client the certificate itself, too.
            var sent = chain?.ChainPolicy.ExtraStore;
            if (certificate is null) _refusal = Refusal;
            else if (sent?.Count > (initiator ? 1 : 0)) _refusal = new Libp2pException(Libp2pError.BadHandshake, "the peer showed more than one certificate");
            else return Proves(certificate);
            return false;
        }

        /// <summary>Whether the certificate proves the peer that must be there; looked at once, as a handshake shows only one.</summary>
        public bool Proves(X509Certificate certificate)
        {
            if (Peer is not null || IsRefused) return !IsRefused;
            if (TlsCertificate.TryVerify(certificate.GetRawCertData(), time.GetUtcNow(), limits.MaxCertificateBytes, out var reason) is not { } key)
                _refusal = new Libp2pException(Libp2pError.BadHandshake, reason);
            else if (expected is { } wanted && key.PeerId != wanted) _refusal = new Libp2pException(Libp2pError.WrongPeer, $"{key.PeerId} answered instead of {wanted}");
            else Peer = key.PeerId;
            return !IsRefused;
        }
    }
}
