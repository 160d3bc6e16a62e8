namespace PeoplesCloud.EndToEnd.Tests;

/// <summary>Joining as people do it: the program, its options, and on a LAN nothing but three words.</summary>
public sealed class JoinTests
{
    [Fact]
    public void Three_words_are_enough_on_one_lan()
    {
        if (!Lan.Possible) return;
        using var lan = new Lan("oak", "elm", "fir", "ash");
        using var place = new Place();
        var (oak, elm, fir, ash) = (place.Up(lan, "oak", "--no-host"), place.Up(lan, "elm", "--no-host"), place.Up(lan, "fir", "--no-host"), place.Up(lan, "ash", "--no-host"));
        Place.Swarm("friends", oak);
        Place.Swarm("others", elm); // somebody else on the LAN, with a code of its own
        Pc.Run(elm, "invite", "others", "--words").Ok();
        var words = Pc.Run(oak, "invite", "friends", "--words").Ok().Out.Trim();
        Assert.Equal(3, words.Split('-').Length);
        Assert.Contains("joined swarm friends as member", Pc.Run(fir, "join", words).Ok().Out);
        Pc.Run(ash, "join", words).Refused("PC4039", 4); // they are good once
    }

    [Fact]
    public void A_swarm_with_a_secret_is_joined_by_its_name_an_address_and_the_secret()
    {
        using var place = new Place();
        var (oak, elm, fir) = (place.Up("oak", "--no-host"), place.Up("elm", "--no-host"), place.Up("fir", "--no-host"));
        place.File("secret", "correct horse battery\n");
        Pc.Run(oak, "create", "--name", "friends", "--secret", "@" + place["secret"]).Ok();
        var address = Pc.Run(oak, "network", "--json").Ok().Json.GetProperty("addresses")[0].GetString()!.Split('/');
        var peer = $"{address[2]}:{address[4]}";
        Assert.Contains("joined swarm friends as member", Pc.Run(fir, "join", "friends", "--peer", peer, "--secret", "@" + place["secret"]).Ok().Out);
        Pc.Run(elm, "join", "friends", "--peer", peer, "--secret", "@" + place.File("wrong", "wrong horse battery\n")).Refused("PC4030", 5);
        Pc.Run(elm, "join", "friends", "--peer", peer, "--secret", "-").Refused("PC4032", 2); // standard input holds nothing
        Pc.Run(oak, "secret", "friends", "--none").Ok();
        Pc.Run(elm, "join", "friends", "--peer", peer, "--secret", "@" + place["secret"]).Refused("PC4030", 5);
    }
}
