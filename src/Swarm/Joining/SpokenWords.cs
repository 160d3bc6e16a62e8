namespace PeoplesCloud.Swarm;

/// <summary>
/// The words of spoken codes: 1,024 common English words, short, and no two of them one letter apart, so that a word that was heard or typed
/// a little wrong is not another one. The order is not part of anything that is sent.
/// </summary>
public static class SpokenWords
{
    /// <summary>How many there are: 10 bits a word.</summary>
    public const int Count = 1024;

    private static readonly string[] List = """
        acid acorn acrobat actor alarm album alcove alder alley almond alpha alpine amber anchor angel ankle antler anvil apple apricot april apron arcade
        archer arena armor arrow artist ash aspen atlas atom attic august autumn avenue avocado azure bacon badge bagel bakery balcony ballad balloon bamboo
        banana banjo banner barley barn barrel basil basket bassoon battery bazaar beach beaver bedrock beetle bell berry bicycle bingo birch biscuit bishop
        bison blanket blossom blue bobcat bolt bonfire bonnet border bottle boulder bowl box bracelet branch bravo bread breeze brick bridge bronze brook
        brother brush bubble bucket budget buffalo bugle bulb bunker burrow bus butter button cabbage cabin cable cactus cafe camel camera canal canary candle
        candy canoe canvas canyon captain caramel caravan carbon cargo carpet carrot cartoon carving cashew castle cavern cedar cellar cello cement cereal
        chalk chamber chapter charcoal chariot cheese cherry chess chestnut chicken chimney chipmunk chisel chorus chrome cider cinema circle circus citrus
        city clarinet clay cliff clock cloud clover coast cobalt cobra cobweb cocoa coconut coffee coil comet comic compass concert condor cookie copper coral
        cork corner cosmos cotton cougar counter cousin cowboy coyote crab cradle crane crater crayon cream creek crew cricket crimson crocus crown crumb
        crystal cube cuckoo cupboard curtain curve cushion custard cyclone cymbal cypress daffodil dairy dancer darkroom dawn december deckhand deer delta
        depot desert desk dew diagram diamond dimple diner disco doctor dolphin domino donkey doorbell double dove dragon drawer driver drizzle drum duchess
        duck duet dune eagle earth easel echo eclipse eel eggplant eight elbow electric elephant elevator elk emerald emu engine envelope equator escort
        evening everest explorer eyebrow fabric factory falcon family fancy farmer feather february fern festival fiddle field fiesta fig finch finger fjord
        flagship flame flannel flask flint flower flute foam focus folder football forest forge fortress fossil fountain freckle freight friday frog frost
        fruit funnel furnace gadget galaxy gallery gallop garage garden garlic garnet gate gazelle gear gecko geese gemstone genius giant gibbon giraffe
        glacier glass glider globe gnome goblet goggles golden goldfish golf gondola goose gopher gorilla granite grape gravel gravity green grotto grove
        guitar gull hail halibut hallway hammer hammock hamster harbor harmony harp harvest hat hawk hazel headline health hedge helium helmet herald herbal
        heron herring hickory highway hill hippo history hobby hockey holiday hollow honey hood horizon hornet horse hotel hunter hurdle ibex iceberg icicle
        igloo iguana image indigo infant inlet insect iris iron island ivory ivy jacket jackpot jade jaguar january jar jasmine javelin jazz jelly jersey jet
        jewel jigsaw joker journal journey jubilee jug juice jumper jungle juniper jupiter kangaroo karate kayak kennel ketchup kettle keyboard keyhole kilo
        kimono kingdom kiosk kitchen kite kitten kiwi knapsack knee knot koala label ladder ladybug lagoon lake lamp lantern lapwing larch lasagna lasso
        laundry lava lavender leaf legend lemon lemur lens leopard lesson letter lettuce lever liberty library licorice lifeboat lilac lily lime linen lion
        liquid lizard llama lobster locket locust lodge logbook lotus lullaby lumber lunar lunch lupine lynx lyric macaw machine magnet magpie mahogany
        mailbox major mammoth manatee mandolin mango mansion maple marathon marble margin marigold marina market marmot maroon marsh mascot mask master
        mattress meadow medal melody melon memory menu mercury mermaid meteor metro midnight milk million mimosa mineral minnow mint mirror moat mocha model
        mohawk mole moment monday monsoon month moon morning mosaic mosquito moss motor mouse mud muffin mulberry muscle museum mushroom music muskrat mystery
        myth napkin narwhal nature navy nebula necklace nectar needle neptune nest nickel nine noodle north nose novel november nozzle nugget nurse nutmeg
        nylon oak oasis oboe ocean octave october octopus odyssey office olive omega omelet onion onyx opal opera orange orbit orchard orchid organ origami
        oriole osprey ostrich otter outback oven oxygen oyster ozone pacific paddle padlock page painter palace palm pancake panda panel panther papaya paper
        papyrus parade parcel park parsley passport pasta patio patrol pavilion peacock peanut pearl pebble pecan pelican pencil penguin peony pepper perch
        perfume petal petunia phone photo piano pickle picnic picture pigeon pilgrim pillow pilot pink pioneer pirate pizza planet plaster plate platinum
        plaza plum poet polar polka polo poncho pond poppy portrait postcard potato pottery powder prairie present prince prism prize program promise pudding
        pulley puma pumpkin puppet purple puzzle pyjama pyramid python quail quarry quartz quebec queen quill quince quiver quiz rabbit raccoon radar radio
        radish raft railway rain raisin ranger rattle raven ravine razor recipe record reef relay remedy rhino rice ring road robin robot rodeo roof rooster
        rope rosemary round rover royal rubber ruby rudder rumba runner rust rye safari saffron sailor salad salmon salsa salt salute sample sandal sandwich
        sapling sapphire sardine satin saturn sauce sausage savanna scarf school science scissors scooter scorpion scout screen script sculptor seagull seal
        season seaweed secret seed sequoia sesame seven shadow shamrock shark sheep shelf shepherd shield ship shoe shovel shower shrimp shuttle sierra signal
        silver siren sister sketch ski skunk skylark sleeve slipper sloth smoke snail snow soap soccer sofa sonar soprano south spaniel sparrow speaker
        spectrum spider spinach spiral sponge spoon spring spruce squad square squash squirrel stable stadium stairs stallion stamp starfish statue steam
        steel stirrup stone stool stork street studio sugar suitcase summer summit sunday sunrise supper surfer swallow swan sweater swing sycamore symbol
        symphony syrup system tablet taco tadpole talent tandem tank tapestry tapir target tartan taxi teacup teapot temple tennis tent terminal terrace
        textile theater thermos thimble thistle thorn thread throne thumb thunder thursday thyme tiara ticket tiger timber tinsel tire titan tomato tonic
        toolbox topaz torch tornado tortoise toucan tower toy tractor trail trapeze treasure tree trellis triangle trident trombone trophy trout trowel truck
        truffle trumpet tuba tuesday tugboat tulip tundra turban turkey turnip turtle twig twilight umbrella umpire uncle unicorn uniform universe upstairs
        urchin vacuum valve vanilla vapor vase vault vehicle veil velvet vendor venus veranda verse vessel victory video village vinegar vineyard viola violet
        violin visitor vitamin volcano voyage waffle wagon waiter wallaby wallet walnut walrus waltz warbler wardrobe wasp wave wax wedding whale wheat wheel
        widget wigwam window winter wisdom wombat wonder wool workshop world wreath wren wrench yacht yam yard yeast yellow zebra zenith zero zigzag zinc
        zipper zodiac zoo zucchini
        """.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static readonly HashSet<string> Known = new(List, StringComparer.Ordinal);

    /// <summary>All of them, in alphabetical order.</summary>
    public static IReadOnlyList<string> All => List;

    /// <summary>Whether it is one of them; lower case.</summary>
    public static bool Contains(string word) => Known.Contains(word);

    /// <summary>
    /// The word that was probably meant: the first of those that are nearest by letters left out, put in, changed or swapped, at most two;
    /// null when none is near.
    /// </summary>
    public static string? NearestTo(string word)
    {
        if (word.Length > 20) return null;
        var nearest = List.MinBy(known => Distance(known, word))!;
        return Distance(nearest, word) <= 2 ? nearest : null;
    }

    /// <summary>The edit distance of two words, with a swap of neighbours as one edit (optimal string alignment).</summary>
    internal static int Distance(string left, string right)
    {
        var table = new int[left.Length + 1, right.Length + 1];
        for (var i = 0; i <= left.Length; i++) table[i, 0] = i;
        for (var j = 0; j <= right.Length; j++) table[0, j] = j;
        for (var i = 1; i <= left.Length; i++)
        {
            for (var j = 1; j <= right.Length; j++)
            {
                var same = left[i - 1] == right[j - 1];
                table[i, j] = Math.Min(Math.Min(table[i - 1, j], table[i, j - 1]) + 1, table[i - 1, j - 1] + (same ? 0 : 1));
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
            }
        }
        return table[left.Length, right.Length];
    }
}
